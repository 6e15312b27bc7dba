/** What goes direct when a successor has taken over: the tables may be before, at, or on their way to what was saved. */
import { describe, expect, test } from 'vitest';
import { mebibyte } from '../../../app/base/units.ts';
import type { Plan } from '../../../app/contract/plan.ts';
import type { Ferry } from '../../../app/migration/ferry.ts';
import { Graduation } from '../../../app/migration/graduation.ts';
import type { Placement } from '../../../app/migration/placement.ts';
import type { BypassWatch } from '../../../app/substitution/bypass-watch.ts';

const sizeBytes = 1024 * mebibyte;

interface Scene {
  readonly graduation: Graduation;
  /** In their order. */
  readonly done: string[];
}

/** `crossedBytes`: what the engine has for who asks. */
function scene(foundDirectBytes: number, crossedBytes: number, kind: 'lvm' | 'luks' = 'lvm'): Scene {
  const done: string[] = [];
  const engine = { graduate: (leastBytes: number) => Promise.resolve(crossedBytes >= leastBytes ? crossedBytes : 0) };
  const placement = {
    goDirect: (_: Ferry, endBytes: number) => Promise.resolve(void done.push(`direct to ${endBytes / mebibyte}`)),
    leaveDirect: () => Promise.resolve(void done.push('left')),
    takePauseMs: () => 1,
  };
  const watch = { allowDestination: (isAllowed: boolean) => void done.push(isAllowed ? 'allowed' : 'forbidden') };
  const graduation: Graduation = new Graduation({
    ferry: { engine } as unknown as Ferry,
    placement: placement as unknown as Placement,
    watch: watch as unknown as BypassWatch,
    plan: { mappedUsers: [{ kind }], source: { sizeBytes } } as unknown as Plan,
    emit: () => undefined,
    warnOnce: (message) => void done.push(message),
    beforeDirect: () => void done.push(`saved ${graduation.mayBeDirectBytes / mebibyte}`),
    foundDirectBytes,
  });
  return { graduation, done };
}

/** One look, as there is at the beginning of any work. */
function look({ graduation }: Scene): Promise<void> {
  return graduation.during(Promise.resolve());
}

describe('graduation', () => {
  test('saves how far tables may lead before it changes them', async () => {
    const fresh = scene(0, 300 * mebibyte);
    await look(fresh);
    expect(fresh.done).toEqual(['saved 300', 'direct to 300']);
    expect(fresh.graduation.directBytes).toBe(300 * mebibyte);
  });

  test('of a successor brings tables to where they may have been before, also where no more has crossed', async () => {
    const taken = scene(256 * mebibyte, 256 * mebibyte);
    expect(taken.graduation.mayBeDirectBytes).toBe(256 * mebibyte);
    await look(taken);
    expect(taken.done).toEqual(['saved 256', 'direct to 256']);
  });

  test('of a successor is taken back before an undo, whatever it has done itself', async () => {
    const taken = scene(256 * mebibyte, 0);
    await taken.graduation.takeBack();
    expect(taken.done).toEqual(['left', 'forbidden']);
    expect(taken.graduation.mayBeDirectBytes).toBe(0);
  });

  test('of a successor lets an encrypted volume stay on the destination that it may have reached as a whole', () => {
    expect(scene(sizeBytes, sizeBytes, 'luks').done).toEqual(['allowed']);
    expect(scene(sizeBytes, sizeBytes).done).toEqual([]);
    expect(scene(0, sizeBytes, 'luks').done).toEqual([]);
  });
});
