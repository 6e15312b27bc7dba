/** What does not prevent a migration but a careful person wants to know before saying yes. Pure. */
import prettyBytes from 'pretty-bytes';
import type { CopyScope, FrontendName, PlanWarning, Way } from '../contract/plan.ts';
import type { DiskFacts } from '../devices/disk-facts.ts';
import { findDevice } from '../devices/inventory.ts';
import { isNameless } from './disk-places.ts';
import { sameIdentity, slowLink } from './disk-warnings.ts';
import type { Facts } from './facts.ts';
import type { CheckedDisks } from './preflight.ts';
import { statePlaceWarning } from './state-checks.ts';

export interface WarningInput {
  readonly facts: Facts;
  readonly checked: CheckedDisks;
  readonly frontend: FrontendName;
  readonly way: Way;
  readonly usesDeviceMapper: boolean;
  readonly copy: CopyScope;
}

export function findWarnings(input: WarningInput): PlanWarning[] {
  const { facts, checked } = input;
  const disks = { inventory: facts.inventory, source: checked.source, destination: checked.shape };
  return [
    recoverAfterCrash(),
    notFoundAgain(input),
    stateNotDurable(input),
    sameIdentity(disks),
    slowLink(disks),
    destinationNotEmpty(input),
    stopsUsers(input),
    staysMapped(input),
    copiesEverything(input),
    destinationSpace(input),
    physicalBlockSize(input),
    gptBackupHeader(input),
    sourceHidden(input),
  ].flatMap((warning) => warning ?? []);
}

type Finding = PlanWarning | undefined;

function recoverAfterCrash(): Finding {
  return {
    code: 'recover-after-crash',
    message:
      'After a power cut or crash during the job neither disk is recognised as anything until "diskferry recover" has ' +
      'been run. Have a backup.',
  };
}

/** What is in it cannot tell either, because it is hidden then. */
function notFoundAgain({ facts: { inventory }, checked: { source, shape } }: WarningInput): Finding {
  const nameless = [source, shape].filter(({ storage }) => {
    const device = storage.kind === 'block' ? findDevice(inventory, storage.majorMinor) : undefined;
    return device !== undefined && isNameless(device);
  });
  if (nameless.length === 0) return undefined;
  const paths = nameless.map(({ path }) => path).join(' and ');
  return {
    code: 'not-found-again',
    message:
      `${paths}: no serial number and no WWN is told. If the machine restarts during the job, "diskferry recover" ` +
      'may not find such a disk again: what was written meanwhile is lost then.',
  };
}

function stateNotDurable({ facts, checked: { source, destination } }: WarningInput): Finding {
  const { inventory, stateDirectory: state } = facts;
  return statePlaceWarning({ inventory, state, source, destination });
}

function destinationNotEmpty({ facts: { hiddenOnDestination: hidden }, checked: { destination } }: WarningInput): Finding {
  const content = destination?.content;
  const isHidden = hidden.length > 0;
  const retired = isHidden ? `${hidden.join(', ')}, hidden by an earlier job` : null;
  const what = content?.fileSystemType ?? content?.partitionTableType ?? retired;
  if (destination === null || what === null) return undefined;
  return {
    code: 'destination-not-empty',
    message: `${destination.path} holds data (${what}) that will be erased.${isHidden ? mayBeNewest : ''}`,
  };
}

const mayBeNewest =
  ' If a job of another machine or state directory died with it, nothing else holds what was written during that job.';

function stopsUsers({ way, usesDeviceMapper, facts, checked }: WarningInput): Finding {
  if (way !== 'remount') return undefined;
  const targets = facts.inventory.mounts
    .filter(({ devices }) => isOn(devices, checked.source))
    .map(({ target }) => target);
  const when = usesDeviceMapper ? 'for a moment at the start' : 'twice, at the start and at the cut-over';
  return {
    code: 'stops-users',
    message: `${targets.join(' and ')} will be unmounted ${when}: what uses it must stop.`,
  };
}

function staysMapped({ way, usesDeviceMapper, checked: { shape } }: WarningInput): Finding {
  if (way === 'live' || !usesDeviceMapper) return undefined;
  const who = way === 'attach' ? 'whoever uses the volume by then goes on with it' : 'the volume stays mounted';
  const until = way === 'attach' ? 'nobody uses it any more' : 'the volume is unmounted';
  return {
    code: 'stays-mapped',
    message:
      `After the cut-over ${who} through /dev/mapper/diskferry-JOB, which then is ${shape.path} ` +
      `and nothing else; it goes when ${until}.`,
  };
}

function isOn(devices: readonly string[], { storage }: DiskFacts): boolean {
  return storage.kind === 'block' && devices.includes(storage.majorMinor);
}

function copiesEverything({ copy }: WarningInput): Finding {
  return copy.scope === 'all' ? { code: 'copies-everything', message: copy.reason } : undefined;
}

/** A sparse image grows while it is filled. */
function destinationSpace({
  facts: { destinationFolder: folder },
  checked: { source, shape },
  copy,
}: WarningInput): Finding {
  if (folder === null || shape.storage.kind !== 'file') return undefined;
  const neededBytes = copy.bytes ?? source.sizeBytes;
  const roomBytes = folder.availableBytes + folder.occupiedBytes;
  if (roomBytes >= neededBytes) return undefined;
  const [room, needed] = [roomBytes, neededBytes].map((bytes) => prettyBytes(bytes, { binary: true }));
  return {
    code: 'destination-space',
    message: `${shape.path}: the file system there has room for ${room}, up to ${needed} will be written.`,
  };
}

function physicalBlockSize({ frontend, checked: { source } }: WarningInput): Finding {
  const { physicalBlockBytes, logicalBlockBytes } = source;
  const showsLogicalBlocksOnly = frontend === 'fuse' || frontend === 'nbd';
  if (!showsLogicalBlocksOnly || physicalBlockBytes === null || logicalBlockBytes === null) return undefined;
  if (physicalBlockBytes <= logicalBlockBytes) return undefined;
  return {
    code: 'physical-block-size',
    message:
      `During the job the virtual device shows physical blocks of ${logicalBlockBytes} bytes instead of ` +
      `${physicalBlockBytes}; nothing but the alignment of new partitions depends on it.`,
  };
}

function gptBackupHeader({ checked: { source, shape } }: WarningInput): Finding {
  if (source.content?.partitionTableType !== 'gpt' || shape.sizeBytes === source.sizeBytes) return undefined;
  return {
    code: 'gpt-backup-header',
    message:
      `${shape.path} is larger: afterwards move the backup partition table to its end ` +
      'with "sgdisk --move-second-header".',
  };
}

function sourceHidden({ checked: { source } }: WarningInput): Finding {
  return {
    code: 'source-hidden',
    message:
      `Afterwards ${source.path} looks empty, so that nothing takes it for the volume: it keeps what it holds, and ` +
      '"diskferry unmask" makes it recognisable again, "diskferry retire" erases it.',
  };
}
