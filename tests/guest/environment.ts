/** What a command finds in its environment in a guest. */
import type { GuestKind } from './guest-kind.ts';

/** DM_DISABLE_UDEV: where no udev runs, the tools of others are not to wait for it. */
export function environmentOf(kind: GuestKind): Record<string, string> {
  const { PATH = '', HOME = '/root', LANG = 'C.UTF-8', DISKFERRY_SOAK = '' } = process.env;
  const environment = { PATH: `${PATH}:/usr/sbin:/sbin`, HOME, LANG, DISKFERRY_SOAK, DISKFERRY_GUEST: kind.name };
  return kind.hasUdev ? environment : { ...environment, DM_DISABLE_UDEV: '1' };
}
