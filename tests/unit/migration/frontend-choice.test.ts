import { describe, expect, it } from 'vitest';
import type { KernelOffer } from '../../../app/devices/kernel-part.ts';
import type { KernelOffers } from '../../../app/migration/frontend-choice.ts';
import { chooseFrontend, loadOffers } from '../../../app/migration/frontend-choice.ts';

const present: KernelOffer = { state: 'present' };
const loadable: KernelOffer = { state: 'loadable' };
const missing = (name: string): KernelOffer => ({ state: 'missing', why: `there is no ${name}` });
const none: KernelOffers = { ublk: missing('ublk'), nbd: missing('nbd') };

function choose(offers: KernelOffers, requested = 'auto', isRoot = true) {
  return chooseFrontend({ requested, offers, isRoot });
}

describe('auto', () => {
  it.each<[string, KernelOffers, string]>([
    ['ublk serves it, the fastest way there is.', { ublk: present, nbd: present }, 'ublk'],
    ['ublk serves it, the fastest way there is.', { ...none, ublk: present }, 'ublk'],
    ['nbd serves it, the best that works here: there is no ublk.', { ...none, nbd: present }, 'nbd'],
    ['fuse serves it, the best that works here: there is no ublk, and there is no nbd.', none, 'fuse'],
    [
      'ublk serves it, the fastest way there is. Its kernel module is not loaded yet; the start loads it.',
      { ublk: loadable, nbd: present },
      'ublk',
    ],
  ])('says: %s', (reason, offers, frontend) => {
    expect(choose(offers)).toEqual({ frontend, reason });
  });

  it('says that only root can tell whether a module loads', () => {
    const { reason } = choose({ ...none, nbd: loadable }, 'auto', false);
    expect(reason).toContain('only root can load it, so the start decides');
  });
});

describe('a frontend that is asked for', () => {
  it.each(['ublk', 'nbd', 'fuse', 'nbd-socket'])('is %s, whatever else there is', (name) => {
    const expected = { frontend: name, reason: `${name} serves it, as asked for.` };
    expect(choose({ ublk: present, nbd: present }, name)).toEqual(expected);
  });

  it('is refused when this version does not know it', () => {
    expect(() => choose(none, 'iscsi')).toThrow(/iscsi: this version serves the frontends ublk, nbd, fuse/);
  });
});

describe('loading', () => {
  it('leaves alone what is not wanted, or not better than what is there', async () => {
    const offers = { ublk: present, nbd: loadable };
    expect(await loadOffers(offers, 'auto', () => Promise.resolve(present))).toEqual(offers);
    expect(await loadOffers({ ublk: loadable, nbd: present }, 'fuse')).toEqual({
      ublk: loadable,
      nbd: present,
    });
  });

  it('goes on with the next best when what is there does not work', async () => {
    const tryPart = (part: string): Promise<KernelOffer> =>
      Promise.resolve(part === 'ublk' ? missing(part) : present);
    const offers = { ublk: present, nbd: loadable };
    expect(await loadOffers(offers, 'auto', tryPart)).toEqual({ ublk: missing('ublk'), nbd: present });
    expect(await loadOffers(offers, 'ublk', tryPart)).toEqual({ ublk: missing('ublk'), nbd: loadable });
  });
});
