/**
 * The parts of the kernel that frontends need and that may be there as modules: whether each is there, or
 * could be loaded, which anybody may ask; and loading it, which is for root.
 */
import { existsSync } from 'node:fs';
import { messageOf } from '../base/error.ts';
import { hasModule, loadModule } from './kernel-module.ts';

/** In the order of preference. */
export const kernelParts = ['ublk', 'nbd'] as const;
export type KernelPart = (typeof kernelParts)[number];

export type KernelOffer =
  | { readonly state: 'present' }
  /** Its module is on disk; only loading it shows whether it works. */
  | { readonly state: 'loadable' }
  /** `why` as a part of a sentence. */
  | { readonly state: 'missing'; readonly why: string };

interface Signs {
  readonly module: string;
  /** There as soon as the part is, whether or not anybody makes nodes under /dev. */
  readonly sysfsPath: string;
}

const signsOf: Readonly<Record<KernelPart, Signs>> = {
  ublk: { module: 'ublk_drv', sysfsPath: '/sys/class/misc/ublk-control' },
  nbd: { module: 'nbd', sysfsPath: '/sys/module/nbd' },
};

export async function readKernelOffer(part: KernelPart): Promise<KernelOffer> {
  const { module, sysfsPath } = signsOf[part];
  if (existsSync(sysfsPath)) return { state: 'present' };
  if (await hasModule(module)) return { state: 'loadable' };
  return { state: 'missing', why: `this kernel has neither ${part} nor its module ${module}` };
}

/** Throws with modprobe's words when it is not there and cannot be loaded. */
export async function ensureKernelPart(part: KernelPart): Promise<void> {
  const { module, sysfsPath } = signsOf[part];
  if (!existsSync(sysfsPath)) await loadModule(module);
}

/** What is offered once its module has been tried. */
export async function loadKernelOffer(part: KernelPart): Promise<KernelOffer> {
  try {
    await ensureKernelPart(part);
    return { state: 'present' };
  } catch (error) {
    return { state: 'missing', why: messageOf(error) };
  }
}
