/**
 * The ring against the running kernel: real files, FIFOs and sockets, no root needed. Each operation of
 * ring.ts, what the addon refuses before the kernel sees it, and that no entry is lost or done twice when
 * queues are full or waits interrupted.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferPool, pageBytes } from '../../../app/base/buffer-pool.ts';
import { addon } from '../../../native/binding.ts';
import { Ring, pollIn, ringEntries, tagOf } from '../../../native/ring.ts';

const poolBytes = 64 * pageBytes;
/** From errno.h; completions carry them negative. */
const errno = { again: 11, canceled: 125, notSupported: 95, badFd: 9, notFound: 2 };
/** FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h. */
const punchHole = 3;

interface Completion {
  readonly tag: number;
  readonly result: number;
}

let directory: string;
let pool: BufferPool;
let ring: Ring;
let openFds: number[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'diskferry-ring-'));
  pool = new BufferPool(poolBytes, (view) => addon().misalignmentBytes(view));
  ring = new Ring(pool);
  openFds = [];
});

afterEach(() => {
  ring.close();
  openFds.forEach((fd) => closeSync(fd));
  rmSync(directory, { recursive: true });
});

function keepOpen(fd: number): number {
  openFds.push(fd);
  return fd;
}

function openFile(name: string, content: string | Uint8Array = ''): number {
  const path = join(directory, name);
  writeFileSync(path, content);
  return keepOpen(openSync(path, 'r+'));
}

function openFifo(name: string): number {
  const path = join(directory, name);
  execFileSync('mkfifo', [path]);
  return keepOpen(openSync(path, constants.O_RDWR));
}

function turn(minComplete: number, timeoutUs = 5_000_000): Completion[] {
  const count = ring.submitAndWait(minComplete, timeoutUs);
  return Array.from({ length: count }, (_, index) => ({
    tag: ring.completionTag(index),
    result: ring.completionResult(index),
  }));
}

/** A table of offsets with one entry. */
function at(offsetBytes: number): Float64Array {
  return Float64Array.of(offsetBytes);
}

function putText(buffer: number, text: string): number {
  return new TextEncoder().encodeInto(text, pool.bytes.subarray(buffer)).written;
}

function textAt(buffer: number, lengthBytes: number): string {
  return new TextDecoder().decode(pool.bytes.subarray(buffer, buffer + lengthBytes));
}

describe('files', () => {
  it('reads at an offset into the buffer and no further', () => {
    const fd = openFile('file', 'abcdefgh');
    ring.read(fd, at(2), 0, 3, pageBytes, 7);
    expect(turn(1)).toEqual([{ tag: 7, result: 3 }]);
    expect(textAt(pageBytes, 4)).toBe('cde\0');
  });

  it('writes at an offset, durably or not', () => {
    const fd = openFile('file', '........');
    putText(0, 'XY');
    ring.write(fd, at(1), 0, 1, 0, false, 1);
    ring.write(fd, at(6), 0, 1, 1, true, 2);
    expect(new Set(turn(2).map(({ result }) => result))).toEqual(new Set([1]));
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('.X....Y.');
  });

  it('reaches offsets beyond 4 GiB', () => {
    const fd = openFile('sparse');
    const offsetBytes = 5 * 2 ** 40 + 123;
    putText(0, 'far');
    ring.write(fd, at(offsetBytes), 0, 3, 0, false, 1);
    turn(1);
    ring.read(fd, at(offsetBytes), 0, 3, pageBytes, 2);
    expect(turn(1)).toEqual([{ tag: 2, result: 3 }]);
    expect(textAt(pageBytes, 3)).toBe('far');
    expect(fstatSync(fd).size).toBe(offsetBytes + 3);
  });

  it('passes a command on to a driver, which a file does not have', () => {
    ring.uringCmd(openFile('file', 'x'), 0x20, 0, 0, pageBytes, 0, 4);
    expect(turn(1)).toEqual([{ tag: 4, result: -errno.notSupported }]);
  });

  it('flushes', () => {
    ring.flush(openFile('file', 'x'), 3);
    expect(turn(1)).toEqual([{ tag: 3, result: 0 }]);
  });

  it('punches a hole of the range given to fallocate', () => {
    const fd = openFile('file', new Uint8Array(4 * pageBytes).fill(1));
    ring.fallocate(fd, punchHole, at(pageBytes), 0, 2 * pageBytes, 4);
    expect(turn(1)).toEqual([{ tag: 4, result: 0 }]);
    const bytes = readFileSync(join(directory, 'file'));
    expect([0, 1, 2, 3].map((page) => bytes[page * pageBytes])).toEqual([1, 0, 0, 1]);
  });

  it('answers a failed operation with the negative errno and its tag', () => {
    ring.read(999_999, at(0), 0, 1, 0, tagOf(200, 5));
    expect(turn(1)).toEqual([{ tag: tagOf(200, 5), result: -errno.badFd }]);
  });
});

describe('streams', () => {
  it('reads one message into two buffers', () => {
    const fifo = openFifo('fifo');
    putText(0, 'headbody');
    ring.writeStream(fifo, 8, 0, 1);
    ring.readStreamInTwo(fifo, 2 * pageBytes, 3, 3 * pageBytes, pageBytes, 2);
    expect(turn(2)).toEqual(
      expect.arrayContaining([
        { tag: 1, result: 8 },
        { tag: 2, result: 8 },
      ]),
    );
    expect(textAt(2 * pageBytes, 3) + textAt(3 * pageBytes, 5)).toBe('headbody');
  });

  it('writes any number of buffers in their order', () => {
    const fifo = openFifo('fifo');
    putText(0, 'abcdef');
    const vectorAt = ring.beginVectors(3);
    for (const buffer of [4, 2, 0]) ring.addVector(buffer, 2);
    ring.writeVectors(fifo, vectorAt, 3, 1);
    ring.readStream(fifo, 6, pageBytes, 2);
    turn(2);
    expect(textAt(pageBytes, 6)).toBe('efcdab');
  });

  it('submits and takes what is there without waiting for more', () => {
    const fifo = openFifo('fifo');
    putText(0, 'look');
    ring.readStream(fifo, 4, pageBytes, 1);
    expect(ring.submitAndLook()).toBe(0);
    ring.writeStream(fifo, 4, 0, 2);
    const endMs = performance.now() + 5000;
    let completions = 0;
    while (completions < 2 && performance.now() < endMs) completions += ring.submitAndLook();
    expect(completions).toBe(2);
    expect(textAt(pageBytes, 4)).toBe('look');
  });

  it('reads at once what is there, or says that nothing is', () => {
    const eventFd = keepOpen(addon().eventFd());
    expect(ring.readNow(eventFd, 8, pageBytes)).toBe(-errno.again);
    writeSync(eventFd, new BigUint64Array([5n]));
    expect(ring.readNow(eventFd, 8, pageBytes)).toBe(8);
    expect(pool.words[pageBytes / 4]).toBe(5);
    expect(turn(0, 0)).toEqual([]);
  });

  it('cancels an operation that waits', () => {
    ring.poll(keepOpen(addon().eventFd()), pollIn, 1);
    ring.cancel(1, 10);
    expect(turn(2)).toEqual(
      expect.arrayContaining([
        { tag: 1, result: -errno.canceled },
        { tag: 10, result: 0 },
      ]),
    );
  });

  it('says that there is nothing to cancel', () => {
    ring.cancel(1, 10);
    expect(turn(1)).toEqual([{ tag: 10, result: -errno.notFound }]);
  });
});

describe('sockets', () => {
  it('accepts a client of a listener that only its owner may use, and receives what it sends', async () => {
    const path = join(directory, 'socket');
    const listener = keepOpen(addon().listenUnix(path, 4));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    ring.accept(listener, 1);
    expect(turn(1, 20_000)).toEqual([]);

    const client = connect(path);
    await once(client, 'connect');
    const [accepted] = turn(1);
    expect(accepted?.tag).toBe(1);
    const connection = keepOpen(accepted?.result ?? -1);
    await new Promise((resolve) => client.write('hello', resolve));
    ring.recv(connection, 100, 0, 0, 2);
    expect(turn(1)).toEqual([{ tag: 2, result: 5 }]);
    expect(textAt(0, 5)).toBe('hello');

    client.destroy();
    await once(client, 'close');
    ring.recv(connection, 100, 0, 0, 3);
    expect(turn(1)).toEqual([{ tag: 3, result: 0 }]);
  });

  it('refuses a path that exists or is too long', () => {
    const path = join(directory, 'file');
    writeFileSync(path, '');
    const refusal = (code: string): unknown => expect.objectContaining({ code, syscall: 'bind' });
    expect(() => addon().listenUnix(path, 1)).toThrow(refusal('EADDRINUSE'));
    expect(() => addon().listenUnix('x'.repeat(200), 1)).toThrow(refusal('ENAMETOOLONG'));
  });
});

describe('waiting', () => {
  it('returns without completions when the time is up, and tells the time', () => {
    turn(0, 0);
    const beforeUs = ring.clockUs[0] ?? 0;
    expect(turn(1, 30_000)).toEqual([]);
    expect((ring.clockUs[0] ?? 0) - beforeUs).toBeGreaterThanOrEqual(30_000);
  });

  it('returns at once when nothing is asked for', () => {
    expect(turn(0, -1)).toEqual([]);
  });

  it('goes on waiting when signals interrupt it', () => {
    const fifo = openFifo('fifo');
    const ignore = (): void => {};
    process.on('SIGUSR2', ignore);
    const sendSignals = 'for i in 1 2 3; do sleep 0.05; kill -USR2 "$0"; done';
    const script = `${sendSignals}; sleep 0.05; printf done > "$1"`;
    spawn('sh', ['-c', script, String(process.pid), join(directory, 'fifo')]);
    ring.readStream(fifo, 100, 0, 1);
    try {
      expect(turn(1, -1)).toEqual([{ tag: 1, result: 4 }]);
    } finally {
      process.off('SIGUSR2', ignore);
    }
  });
});

describe('many operations', () => {
  function takeAll(count: number): number[] {
    const tags: number[] = [];
    while (tags.length < count) {
      const completions = turn(1);
      expect(completions.length).toBeGreaterThan(0);
      tags.push(...completions.map(({ tag }) => tag));
    }
    return tags.sort((left, right) => left - right);
  }

  it('submits in the middle of a turn when more are prepared than the ring has entries', () => {
    const fd = openFile('file', new Uint8Array(pageBytes));
    const count = 2 * ringEntries + 1;
    for (let tag = 0; tag < count; tag += 1) ring.read(fd, at(0), 0, 1, 0, tag);
    expect(takeAll(count)).toEqual(Array.from({ length: count }, (_, tag) => tag));
    expect(turn(0, 0)).toEqual([]);
  });

  it('submits in the middle of a turn when the vectors are used up', () => {
    const fd = openFile('file', new Uint8Array(pageBytes));
    const count = 3 * ringEntries;
    for (let tag = 0; tag < count; tag += 1) ring.readStreamInTwo(fd, 0, 1, 1, 1, tag);
    expect(takeAll(count)).toEqual(Array.from({ length: count }, (_, tag) => tag));
  });

  it('completes each exactly once when more complete than the completion queue holds', () => {
    const fd = openFile('file', new Uint8Array(pageBytes));
    const count = 10 * ringEntries;
    for (let tag = 0; tag < count; tag += 1) ring.read(fd, at(0), 0, 1, 0, tag);
    expect(takeAll(count)).toEqual(Array.from({ length: count }, (_, tag) => tag));
    expect(turn(0, 0)).toEqual([]);
  });
});

describe('bounds', () => {
  it.each([
    ['a buffer that begins behind the pool', (fd: number) => ring.read(fd, at(0), 0, 1, poolBytes, 1)],
    ['a buffer that leaves the pool', (fd: number) => ring.write(fd, at(0), 0, 2, poolBytes - 1, false, 1)],
    ['a buffer whose end wraps around', (fd: number) => ring.recv(fd, 0xffffffff, 4, 0, 1)],
    ['the second of two vectors', (fd: number) => ring.readStreamInTwo(fd, 0, 1, poolBytes - 1, 2, 1)],
    [
      "a driver's command about a buffer that leaves the pool",
      (fd: number) => ring.uringCmd(fd, 0x20, 0, 0, 2, poolBytes - 1, 1),
    ],
    ['more vectors than the array has', (fd: number) => ring.writeVectors(fd, 4_095, 2, 1)],
  ])('refuses %s, and nothing of that turn reaches the kernel', (_, prepareBad) => {
    const fd = openFile('file', 'before');
    putText(0, 'AFTER!');
    ring.write(fd, at(0), 0, 6, 0, false, 1);
    prepareBad(fd);
    expect(() => turn(1)).toThrow(RangeError);
    expect(turn(1, 20_000)).toEqual([]);
    expect(readFileSync(join(directory, 'file'), 'utf8')).toBe('before');
  });

  it('refuses to read at once into what leaves the pool', () => {
    const fd = openFile('file', 'some bytes');
    expect(() => ring.readNow(fd, 2, poolBytes - 1)).toThrow(RangeError);
    expect(textAt(poolBytes - 1, 1)).toBe('\0');
  });

  it('takes the last byte of the pool', () => {
    ring.read(openFile('file', 'z'), at(0), 0, 1, poolBytes - 1, 1);
    expect(turn(1)).toEqual([{ tag: 1, result: 1 }]);
    expect(textAt(poolBytes - 1, 1)).toBe('z');
  });

  it('refuses more vectors than were begun', () => {
    ring.beginVectors(4_096);
    for (let count = 0; count < 4_096; count += 1) ring.addVector(0, 1);
    expect(() => ring.addVector(0, 1)).toThrow('more vectors');
  });
});

describe('closing', () => {
  it('may be done twice, and what is used afterwards throws', () => {
    ring.close();
    ring.close();
    expect(() => turn(0, 0)).toThrow(expect.objectContaining({ code: 'EBADF' }));
  });

  it('gives up what is in flight only when the duplicate is closed, too', () => {
    const [ours, theirs] = addon().socketPair();
    const dying = new Ring(pool);
    dying.recv(ours, 1, 0, 0, 1);
    dying.submitAndWait(0, 0);
    const duplicate = dying.duplicate();
    dying.close();
    closeSync(ours);
    // Their end sees the end of ours when nothing holds it any more: not while it is received from.
    ring.recv(keepOpen(theirs), 1, pageBytes, 0, 2);
    expect(turn(1, 200_000)).toEqual([]);
    closeSync(duplicate);
    expect(turn(1)).toEqual([{ tag: 2, result: 0 }]);
  });
});

describe('memory and locks', () => {
  it('gives a pool whose first byte begins a page', () => {
    expect(addon().misalignmentBytes(pool.bytes)).toBe(0);
    expect(addon().misalignmentBytes(pool.bytes.subarray(5))).toBe(5);
  });

  it('locks a file against every other open file description', () => {
    const first = openFile('file');
    const second = keepOpen(openSync(join(directory, 'file'), 'r'));
    addon().lockExclusive(first);
    addon().lockExclusive(first);
    const refusal = expect.objectContaining({ code: 'EWOULDBLOCK', syscall: 'flock' });
    expect(() => addon().lockExclusive(second)).toThrow(refusal);
  });

  it('names call, cause and code of what the kernel refuses', () => {
    expect(() => addon().blockGeometry(999_999)).toThrow(
      expect.objectContaining({
        message: 'ioctl(BLKGETSIZE64) failed: EBADF (Bad file descriptor)',
        code: 'EBADF',
        errno: 9,
        syscall: 'ioctl(BLKGETSIZE64)',
      }),
    );
  });
});
