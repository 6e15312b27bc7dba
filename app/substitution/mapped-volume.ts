/**
 * The device-mapper devices that a consumer sits on, and the device below that all of them lie on: the
 * source, the virtual device or the destination. Moves them from one to another while they are in use, by
 * changing their tables. A part of what lies on the virtual device may be served past it
 * (devices/direct-part.ts).
 *
 * Always holds: before any table changes, the kernel has accepted all the new ones, and each device has been
 * seen to run on the table that we know; one that somebody else has changed is never touched. When a later
 * step fails, each device runs on its old table or on its new one, `isOn` tells which, and moving may be
 * tried again. Those that have moved are not moved back by themselves: what was written through them since
 * may be on the new device only. Whoever can bring it back does so and then uses `moveAfter`. A watchdog
 * stands by whenever one is suspended.
 */
import { isDeepStrictEqual } from 'node:util';
import { afterFailure } from '../base/error.ts';
import {
  activatePrepared,
  dependenciesOf,
  dropPrepared,
  prepareTable,
  requireTable,
  resumeMapped,
  resumeUnchanged,
  servesTable,
  suspendMapped,
} from '../devices/device-mapper.ts';
import type { DirectPart } from '../devices/direct-part.ts';
import { withDirect } from '../devices/direct-part.ts';
import type { Segment } from '../devices/dm-table.ts';
import { devicesUnder, movedTo } from '../devices/dm-table.ts';
import { Watchdog } from './watchdog.ts';

/**
 * How long a device may stand still for a change of its table: for what is in flight, and one flush of a slow
 * disk.
 */
const swapMsMax = 20_000;

export interface MappedUser {
  /** As device-mapper knows it. */
  readonly name: string;
  /** Its table, as it is when nothing of it is direct. */
  readonly segments: readonly Segment[];
  /** As it is now, where that differs. */
  readonly running?: readonly Segment[];
}

interface Member {
  readonly name: string;
  readonly segments: readonly Segment[];
  /** Its table, as it is now. */
  table: readonly Segment[];
}

export interface Place {
  /** `majorMinor` of the device below, from now on. */
  readonly to: string;
  /** What of it is served past that device. */
  readonly direct?: DirectPart;
}

export interface MoveOptions extends Place {
  /** Open on what must be durable before the new tables serve; null: nothing is flushed. */
  readonly flushFd: number | null;
}

export class MappedVolume {
  readonly #original: string;
  readonly #members: readonly Member[];
  #longestPauseMs: number | undefined;

  /** `on` is the device that the users lie on now; segments on other devices stay where they are. */
  constructor(users: readonly MappedUser[], on: string) {
    this.#original = on;
    this.#members = users.map(({ name, segments, running }) => ({
      name,
      segments,
      table: running ?? segments,
    }));
  }

  /** Nobody lay there. */
  get isEmpty(): boolean {
    return this.#members.length === 0;
  }

  /** True when every user lies on this device, with all that it has there. */
  isOn(device: string): boolean {
    return this.#isAt({ to: device });
  }

  /** The longest that one device's I/O has stood still for a change of its table since asked last. */
  takePauseMs(): number | undefined {
    const pauseMs = this.#longestPauseMs;
    this.#longestPauseMs = undefined;
    return pauseMs;
  }

  /** Moves one user after the other, each with a pause of its own. Those that have moved already stay. */
  async moveTo({ flushFd, ...place }: MoveOptions): Promise<void> {
    await this.#moveEach(place, async (name, segments) => {
      const { suspendMs, flushMs, resumeMs } = await activatePrepared({ name, segments, flushFd });
      return suspendMs + flushMs + resumeMs;
    });
  }

  /**
   * The same, and each is moved when the work is done that follows upon the hold of his I/O. When that fails
   * or takes too long he goes on where he was: what he writes from then on must not be lost to it either.
   */
  async moveAfter(to: string, work: () => Promise<void>): Promise<void> {
    await this.#moveEach({ to }, async (name, segments) => {
      const startMs = performance.now();
      await suspendMapped(name);
      try {
        await work();
        await resumeMapped(name);
      } catch (error) {
        throw await afterFailure(error, () => resumeUnchanged(name));
      }
      await requireTable(name, segments);
      return performance.now() - startMs;
    });
  }

  /** `move` makes the prepared table the one that serves, and tells how long I/O stood still. */
  async #moveEach(
    place: Place,
    move: (name: string, segments: readonly Segment[]) => Promise<number>,
  ): Promise<void> {
    if (this.#isAt(place)) return;
    const waiting = await this.#prepare(place);
    try {
      await Watchdog.during(async (watchdog) => {
        for (let member = waiting[0]; member !== undefined; member = waiting[0]) {
          const { name } = member;
          const segments = this.#tableAt(place, member);
          const pauseMs = await watchdog.guard({ name, limitMs: swapMsMax }, () => move(name, segments));
          this.#moved(member, { segments, pauseMs });
          waiting.shift();
        }
      });
    } catch (error) {
      throw await takeBack(error, waiting, ({ name }) => dropPrepared(name));
    }
  }

  /** Returns who has to move; the kernel has accepted the new table of each. */
  async #prepare(place: Place): Promise<Member[]> {
    const prepared: Member[] = [];
    try {
      for (const member of this.#members.filter((one) => !this.#isMemberAt(place, one))) {
        const segments = this.#tableAt(place, member);
        if (await runsOn(member.name, segments)) {
          member.table = segments;
          continue;
        }
        await requireTable(member.name, member.table);
        await prepareTable(member.name, segments);
        prepared.push(member);
      }
      return prepared;
    } catch (error) {
      throw await takeBack(error, prepared, ({ name }) => dropPrepared(name));
    }
  }

  #moved(
    member: Member,
    { segments, pauseMs }: { readonly segments: readonly Segment[]; readonly pauseMs: number },
  ): void {
    member.table = segments;
    this.#longestPauseMs = Math.max(this.#longestPauseMs ?? 0, pauseMs);
  }

  #isAt(place: Place): boolean {
    return this.#members.every((member) => this.#isMemberAt(place, member));
  }

  #isMemberAt(place: Place, member: Member): boolean {
    return isDeepStrictEqual(member.table, this.#tableAt(place, member));
  }

  #tableAt({ to, direct }: Place, { segments }: Member): Segment[] {
    const table = movedTo(segments, { from: this.#original, to });
    return direct === undefined ? table : withDirect(table, to, direct);
  }
}

/** An earlier try may have moved it and failed later, as when the kernel did not tell the table that runs. */
async function runsOn(name: string, segments: readonly Segment[]): Promise<boolean> {
  const below = await dependenciesOf(name);
  return isDeepStrictEqual(below.sort(), devicesUnder(segments).sort()) && servesTable(name, segments);
}

/**
 * Takes something back for each member after a failure, whatever happens to the others. Returns what to
 * throw.
 */
async function takeBack(
  error: unknown,
  members: readonly Member[],
  act: (member: Member) => Promise<void>,
): Promise<unknown> {
  let all = error;
  for (const member of members) all = await afterFailure(all, () => act(member));
  return all;
}
