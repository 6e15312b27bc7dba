/** Numbers of the tests' devices, as tables name them. */
import { statSync } from 'node:fs';
import { majorMinorOf } from '../../app/devices/block-device.ts';

export function numberOf({ path }: { readonly path: string }): string {
  return majorMinorOf(statSync(path, { bigint: true }).rdev);
}
