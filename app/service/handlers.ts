/** What the service does for each request of the contract, once the client is allowed to ask it. */
import { join } from 'node:path';
import { DiskferryError } from '../base/error.ts';
import { jobsDirectoryName } from '../contract/control.ts';
import { makeReport } from '../contract/report/document.ts';
import type { ServiceParameters, ServiceResult } from '../contract/service.ts';
import { apiVersion } from '../contract/service.ts';
import type { Peer } from '../devices/peer.ts';
import { assertAsConfirmed } from '../migration/confirmed-plan.ts';
import { readDeviceTrees } from '../migration/device-trees.ts';
import { nameJob, requireBeginning, requireContainer } from '../migration/job-order.ts';
import type { PlanRequest } from '../migration/plan-request.ts';
import { makePlan } from '../migration/plan-request.ts';
import type { NewOrder } from '../migration/supervisor.ts';
import { version } from '../migration/version.ts';
import type { Authority } from './authority.ts';
import type { Connection, Handlers } from './connection.ts';
import type { Consents } from './consents.ts';
import { inTime } from './in-time.ts';
import type { Jobs } from './jobs.ts';
import type { NamedDisk } from './named-path.ts';
import { assertIsNamed, followAs } from './named-path.ts';
import type { PerUserLimit } from './per-user-limit.ts';

/** Programs that walk a large file system take minutes. */
const planMsMax = 30 * 60_000;

export interface ServiceParts {
  readonly stateDirectory: string;
  readonly authority: Authority;
  readonly consents: Consents;
  readonly jobs: Jobs;
  /** Of what looks at disks, which takes programs and time. */
  readonly looks: PerUserLimit;
  /** What people should know of this machine. */
  readonly notes: () => string[];
}

export function makeHandlers(parts: ServiceParts): Handlers {
  const { jobs, authority, looks } = parts;
  return {
    hello: () => ({ version, apiVersion, hasPolkit: authority.hasPolkit, notes: parts.notes() }),
    devices: (_, { client }) => looks.during(client.peer.userId, () => devices(parts)),
    plan: (parameters, { client: { peer } }) => {
      const limit = { what: parameters.source, msMax: planMsMax };
      return inTime(limit, () => looks.during(peer.userId, () => plan(parts, parameters, peer)));
    },
    start: (parameters, connection) =>
      looks.during(connection.client.peer.userId, () => start(parts, parameters, connection)),
    recover: (parameters, connection) =>
      looks.during(connection.client.peer.userId, () => recover(parts, parameters, connection)),
    list: async () => ({ jobs: await jobs.list() }),
    status: ({ job }) => jobs.ask(job, 'status', {}),
    subscribe: async ({ job, devices: wantsDevices }, connection: Connection) => {
      const events = await jobs.eventsOf(job);
      // Nothing happens in between, so that each event is told once.
      connection.subscribe({ job, devices: wantsDevices });
      return { events };
    },
    unsubscribe: (_, connection: Connection) => {
      connection.unsubscribe();
      return {};
    },
    pause: ({ job }) => jobs.ask(job, 'pause', {}),
    resume: ({ job }) => jobs.ask(job, 'resume', {}),
    speed: ({ job, speed }) => jobs.ask(job, 'speed', { speed }),
    verify: ({ job }) => jobs.ask(job, 'verify', {}),
    retry: ({ job }) => jobs.ask(job, 'retry', {}),
    acceptUnreadable: ({ job }) => jobs.ask(job, 'accept-unreadable', {}),
    cutover: ({ job }) => jobs.ask(job, 'cutover', {}),
    undo: ({ job }) => jobs.ask(job, 'undo', {}),
    report: async ({ job, ...signatures }) => makeReport(job, await jobs.historyOf(job), signatures),
    logs: async ({ job }) => ({ events: await jobs.historyOf(job) }),
  };
}

async function devices({ stateDirectory }: ServiceParts): Promise<ServiceResult<'devices'>> {
  const { trees, notes } = await readDeviceTrees(stateDirectory);
  return { trees: [...trees], notes: [...notes] };
}

async function plan(
  { consents, stateDirectory, notes }: ServiceParts,
  parameters: ServiceParameters<'plan'>,
  peer: Peer,
): Promise<ServiceResult<'plan'>> {
  const { source, destination, createBytes, ...choices } = parameters;
  const paths = await followPaths(peer, { source, destination, creates: createBytes !== undefined });
  const request: PlanRequest = { ...choices, ...paths, createBytes, stateDirectory };
  const made = await makePlan(request, 'offer').catch(async (error: unknown): Promise<never> => {
    // What is said of a disk is for those who named that very disk.
    await followPaths(peer, { source, destination, creates: createBytes !== undefined });
    throw error;
  });
  if (paths.disks !== null) {
    assertIsNamed(paths.disks.source, made.source);
    assertIsNamed(paths.disks.destination, made.destination);
  }
  const token = consents.offer({ userId: peer.userId, plan: made, request });
  return { plan: made, token, notes: notes() };
}

interface Paths {
  readonly sourcePath: string;
  readonly destinationPath: string;
  /** Null for root, whose paths are what they are. */
  readonly disks: { readonly source: NamedDisk; readonly destination: NamedDisk } | null;
}

async function followPaths(
  peer: Peer,
  {
    source,
    destination,
    creates,
  }: { readonly source: string; readonly destination: string; readonly creates: boolean },
): Promise<Paths> {
  if (peer.userId === 0) return { sourcePath: source, destinationPath: destination, disks: null };
  if (creates) {
    const message = `${destination}: only root can have the service create files`;
    throw new DiskferryError('path-not-yours', message, { context: { path: destination } });
  }
  const disks = { source: await followAs(peer, source), destination: await followAs(peer, destination) };
  return { sourcePath: disks.source.path, destinationPath: disks.destination.path, disks };
}

/** Invariant 9: preflight once more, and the disks must be those that were shown. */
async function start(
  { consents, jobs, stateDirectory }: ServiceParts,
  parameters: ServiceParameters<'start'>,
  connection: Connection,
): Promise<ServiceResult<'start'>> {
  const { token, units, speed, hold, passphrase } = parameters;
  const { plan: confirmed, request } = consents.take(token, connection.client.peer.userId);
  const now = await makePlan(request, 'carry-out');
  assertAsConfirmed(confirmed, now);
  const users = { units };
  if (passphrase !== undefined) requireContainer(now, 'passphrase');
  await requireBeginning(now, users);
  // All that took a while, and from here on a disk is erased.
  connection.requireClient('start');
  const job = nameJob(now);
  const directory = join(stateDirectory, jobsDirectoryName, job);
  const order: NewOrder = {
    request: { job, plan: now, speed, hold, users, socketPath: join(directory, 'nbd.sock') },
    directory,
    passphrase: passphrase === undefined ? undefined : Uint8Array.from(Buffer.from(passphrase, 'base64')),
  };
  return { job, first: await jobs.start(order) };
}

async function recover(
  { jobs, authority }: ServiceParts,
  { job, goesBack, hold }: ServiceParameters<'recover'>,
  connection: Connection,
): Promise<ServiceResult<'recover'>> {
  if (goesBack) await authority.require('undo', connection.client);
  connection.requireClient('recover');
  return { job, first: await jobs.recover(job, { goesBack, hold }) };
}
