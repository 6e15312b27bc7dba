/**
 * Free space of Btrfs on one device, from the trees themselves (btrfs-inspect-internal(8) dump-tree): the
 * chunk tree says where each logical range lies on the disk, once or twice; the extent tree lists what is
 * allocated in them. Free is what no extent covers, in every copy, and what no chunk covers.
 *
 * Trusted only without a log tree (its blocks are in no extent tree), with features that we know, and when
 * the extents add up to the superblock's `bytes_used`, which also catches any tree block that could not be
 * read.
 */
import { kibibyte, mebibyte, gibibyte } from '../../base/units.ts';
import { runProgram, runProgramLines } from '../program.ts';
import type { FreeExtents } from './free-extents.ts';
import { AllocationUnknown, assertAgreement, numberIn, toolFailed } from './unknown.ts';

/** Those that change nothing about where extents and chunks are recorded. */
const knownFeatures = new Set([
  'MIXED_BACKREF',
  'DEFAULT_SUBVOL',
  'MIXED_GROUPS',
  'COMPRESS_LZO',
  'COMPRESS_ZSTD',
  'BIG_METADATA',
  'EXTENDED_IREF',
  'SKINNY_METADATA',
  'NO_HOLES',
  'METADATA_UUID',
]);

/** Bytes that belong to nobody in the trees: what boot loaders use, and the superblock's copies. */
const reserved = [
  { fromBytes: 0, toBytes: mebibyte },
  ...[64 * mebibyte, 256 * gibibyte].map((fromBytes) => ({ fromBytes, toBytes: fromBytes + 64 * kibibyte })),
];

interface Superblock {
  readonly nodeBytes: number;
  readonly usedBytes: number;
  readonly deviceBytes: number;
}

interface Chunk {
  readonly logicalBytes: number;
  readonly lengthBytes: number;
  /** Where the copies of the chunk start on the disk. */
  readonly copies: number[];
}

export async function readBtrfsFree(path: string, free: FreeExtents): Promise<void> {
  const superblock = await readSuperblock(path);
  const chunks = await readChunks(path);
  addUnallocated(chunks, superblock.deviceBytes, free);
  const walk = new ChunkWalk(chunks, free);
  await dumpTree(path, 'extent', (line) => {
    const match = /^\titem \d+ key \((\S+) (EXTENT_ITEM|METADATA_ITEM) (\S+)\)/.exec(line);
    if (match === null) return;
    walk.allocated(Number(match[1]), match[2] === 'METADATA_ITEM' ? superblock.nodeBytes : Number(match[3]));
  });
  walk.finish();
  assertAgreement(walk.usedBytes, superblock.usedBytes);
}

async function readSuperblock(path: string): Promise<Superblock> {
  const dump = await runProgram('btrfs', ['inspect-internal', 'dump-super', path]);
  if (dump.exitCode !== 0) throw toolFailed('btrfs dump-super', dump);
  const { stdout } = dump;
  const field = (name: string): number => numberIn(stdout, new RegExp(`^${name}\\s+(\\d+)`, 'm'), name);
  if (!/^csum\s.*\[match\]$/m.test(stdout)) {
    throw new AllocationUnknown('the Btrfs superblock has a wrong checksum');
  }
  if (field('log_root') !== 0) {
    throw new AllocationUnknown('the Btrfs file system was not unmounted cleanly (log tree)');
  }
  if (field('num_devices') !== 1) throw new AllocationUnknown('the Btrfs file system spans several devices');
  const features = /^incompat_flags\s+\S+\n\s+\(([^)]*)\)/m.exec(stdout)?.[1] ?? 'none';
  const strange = features
    .split('|')
    .map((name) => name.trim())
    .filter((name) => !knownFeatures.has(name));
  if (strange.length > 0) {
    throw new AllocationUnknown(`the Btrfs file system has unknown features: ${strange.join(', ')}`);
  }
  return {
    nodeBytes: field('nodesize'),
    usedBytes: field('bytes_used'),
    deviceBytes: field('dev_item.total_bytes'),
  };
}

async function dumpTree(path: string, tree: string, onLine: (line: string) => void): Promise<void> {
  const end = await runProgramLines('btrfs', ['inspect-internal', 'dump-tree', '-t', tree, path], onLine);
  if (end.exitCode !== 0) throw toolFailed('btrfs dump-tree', end);
}

/** Ascending by logical address, as the tree keeps them. */
async function readChunks(path: string): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  let logicalBytes = -1;
  await dumpTree(path, 'chunk', (line) => {
    const item = /^\titem \d+ key \(\S+ (\S+) (\d+)\)/.exec(line);
    if (item !== null) logicalBytes = item[1] === 'CHUNK_ITEM' ? Number(item[2]) : -1;
    if (logicalBytes < 0) return;
    const head = /^\t\tlength (\d+) .* type (\S+)/.exec(line);
    if (head !== null) {
      assertProfile(head[2] as string);
      chunks.push({ logicalBytes, lengthBytes: Number(head[1]), copies: [] });
    }
    const stripe = /^\t\t\tstripe \d+ devid \d+ offset (\d+)/.exec(line);
    if (stripe !== null) chunks.at(-1)?.copies.push(Number(stripe[1]));
  });
  return chunks;
}

/** "METADATA|DUP", "DATA|single"; old versions leave `single` out. All others spread a chunk over stripes. */
function assertProfile(type: string): void {
  const strange = type
    .split('|')
    .find((part) => !['DATA', 'METADATA', 'SYSTEM', 'single', 'DUP'].includes(part));
  if (strange !== undefined) {
    throw new AllocationUnknown(`the Btrfs file system has chunks of the kind ${type}`);
  }
}

function addUnallocated(chunks: readonly Chunk[], deviceBytes: number, free: FreeExtents): void {
  const places = chunks.flatMap(({ copies, lengthBytes }) =>
    copies.map((fromBytes) => ({ fromBytes, lengthBytes })),
  );
  let position = 0;
  for (const { fromBytes, lengthBytes } of places.sort((one, other) => one.fromBytes - other.fromBytes)) {
    if (fromBytes < position) throw new AllocationUnknown('two Btrfs chunks share a place on the disk');
    addUnreserved(position, fromBytes, free);
    position = fromBytes + lengthBytes;
  }
  addUnreserved(position, deviceBytes, free);
}

function addUnreserved(fromBytes: number, toBytes: number, free: FreeExtents): void {
  let position = fromBytes;
  for (const hole of reserved) {
    if (hole.toBytes <= position || hole.fromBytes >= toBytes) continue;
    if (hole.fromBytes > position) free.add(position, hole.fromBytes - position);
    position = Math.max(position, hole.toBytes);
  }
  if (position < toBytes) free.add(position, toBytes - position);
}

/**
 * Takes the allocated ranges in logical order and adds what lies between them, in every copy of the chunk.
 */
class ChunkWalk {
  usedBytes = 0;
  readonly #chunks: readonly Chunk[];
  readonly #free: FreeExtents;
  #chunk = 0;
  /** Logical, up to where all is decided. */
  #position = 0;

  constructor(chunks: readonly Chunk[], free: FreeExtents) {
    this.#chunks = chunks;
    this.#free = free;
  }

  allocated(logicalBytes: number, lengthBytes: number): void {
    if (
      !Number.isSafeInteger(logicalBytes) ||
      !Number.isSafeInteger(lengthBytes) ||
      logicalBytes < this.#position
    ) {
      throw new AllocationUnknown(`the Btrfs extent tree is out of order at ${logicalBytes}`);
    }
    let chunk = this.#chunks[this.#chunk];
    while (chunk !== undefined && chunk.logicalBytes + chunk.lengthBytes <= logicalBytes)
      chunk = this.#leaveChunk(chunk);
    const endBytes = logicalBytes + lengthBytes;
    if (
      chunk === undefined ||
      logicalBytes < chunk.logicalBytes ||
      endBytes > chunk.logicalBytes + chunk.lengthBytes
    ) {
      throw new AllocationUnknown(`a Btrfs extent at ${logicalBytes} lies in no chunk`);
    }
    this.#addFree(chunk, logicalBytes);
    this.#position = endBytes;
    this.usedBytes += lengthBytes;
  }

  finish(): void {
    let chunk = this.#chunks[this.#chunk];
    while (chunk !== undefined) chunk = this.#leaveChunk(chunk);
  }

  #leaveChunk(chunk: Chunk): Chunk | undefined {
    this.#addFree(chunk, chunk.logicalBytes + chunk.lengthBytes);
    this.#chunk += 1;
    return this.#chunks[this.#chunk];
  }

  /** What lies between the last extent and `toLogicalBytes` within the chunk is free. */
  #addFree(chunk: Chunk, toLogicalBytes: number): void {
    const fromLogicalBytes = Math.max(this.#position, chunk.logicalBytes);
    this.#position = toLogicalBytes;
    for (const copy of chunk.copies) {
      const fromBytes = copy + fromLogicalBytes - chunk.logicalBytes;
      addUnreserved(fromBytes, copy + toLogicalBytes - chunk.logicalBytes, this.#free);
    }
  }
}
