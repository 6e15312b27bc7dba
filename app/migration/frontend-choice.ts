/**
 * Which frontend serves the virtual device, and why: the first of `ublk`, `nbd`, `fuse` that works here,
 * unless one is asked for by name. `nbd-socket` makes no block device, so it is never chosen unasked. Pure,
 * but for trying what would be chosen, with its module loaded, which comes before the choice and only when a
 * job is about to start.
 */
import { DiskferryError, messageOf } from '../base/error.ts';
import type { FrontendName } from '../contract/plan.ts';
import { frontendSchema } from '../contract/plan.ts';
import type { KernelOffer, KernelPart } from '../devices/kernel-part.ts';
import { kernelParts, loadKernelOffer, readKernelOffer } from '../devices/kernel-part.ts';
import { tryUblk } from '../engine/ublk-disk.ts';

export type KernelOffers = Readonly<Record<KernelPart, KernelOffer>>;

export interface FrontendChoice {
  readonly frontend: FrontendName;
  /** A whole sentence for people. */
  readonly reason: string;
}

export interface FrontendQuestion {
  /** As the user wrote it: `auto` or the name of a frontend. */
  readonly requested: string;
  readonly offers: KernelOffers;
  readonly isRoot: boolean;
}

export async function readKernelOffers(): Promise<KernelOffers> {
  const [ublk, nbd] = await Promise.all([readKernelOffer('ublk'), readKernelOffer('nbd')]);
  return { ublk, nbd };
}

/** Tries what would be chosen, and the next best when that fails. What is not wanted stays as it is. */
export async function loadOffers(
  offers: KernelOffers,
  requested: string,
  tryPart: (part: KernelPart) => Promise<KernelOffer> = loadAndTry,
): Promise<KernelOffers> {
  const wanted = kernelParts.filter((part) => requested === 'auto' || requested === part);
  const loaded = { ...offers };
  for (const part of wanted) {
    if (loaded[part].state !== 'missing') loaded[part] = await tryPart(part);
    if (loaded[part].state === 'present') break;
  }
  return loaded;
}

/** nbd makes a new device whenever all that there are have users; ublk may have no number left. */
async function loadAndTry(part: KernelPart): Promise<KernelOffer> {
  const offer = await loadKernelOffer(part);
  if (part !== 'ublk' || offer.state === 'missing') return offer;
  try {
    await tryUblk();
    return offer;
  } catch (error) {
    return { state: 'missing', why: `ublk makes no device: ${messageOf(error)}` };
  }
}

/** Throws `no-frontend` for a name that this version does not know. */
export function chooseFrontend({ requested, offers, isRoot }: FrontendQuestion): FrontendChoice {
  if (requested !== 'auto') {
    const frontend = knownFrontend(requested);
    return {
      frontend,
      reason: `${frontend} serves it, as asked for.${loadingText(frontend, offers, isRoot)}`,
    };
  }
  const frontend = kernelParts.find((part) => offers[part].state !== 'missing') ?? 'fuse';
  const better = kernelParts.slice(
    0,
    frontend === 'fuse' ? kernelParts.length : kernelParts.indexOf(frontend),
  );
  const whyNot = better.flatMap((part) => whyMissing(offers[part])).join(', and ');
  const ground = whyNot === '' ? 'the fastest way there is' : `the best that works here: ${whyNot}`;
  return { frontend, reason: `${frontend} serves it, ${ground}.${loadingText(frontend, offers, isRoot)}` };
}

function knownFrontend(name: string): FrontendName {
  const known = frontendSchema.safeParse(name);
  if (known.success) return known.data;
  const message = `${name}: this version serves the frontends ${frontendSchema.options.join(', ')}`;
  throw new DiskferryError('no-frontend', message);
}

function whyMissing(offer: KernelOffer): string[] {
  return offer.state === 'missing' ? [offer.why] : [];
}

function loadingText(frontend: FrontendName, offers: KernelOffers, isRoot: boolean): string {
  const part = kernelParts.find((name) => name === frontend);
  if (part === undefined || offers[part].state !== 'loadable') return '';
  const tried = isRoot ? 'the start loads it' : 'only root can load it, so the start decides';
  return ` Its kernel module is not loaded yet; ${tried}.`;
}
