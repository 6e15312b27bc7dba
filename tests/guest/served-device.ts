/**
 * A virtual device of any frontend over two disks, served by an engine in the test's own process: what a job
 * has at its heart, without the job.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, open } from 'node:fs/promises';
import { ReleaseStack } from '../../app/base/release.ts';
import type { FrontendName, Speed } from '../../app/contract/plan.ts';
import type { DeviceHost, VirtualDevice } from '../../app/engine/device-host.ts';
import { Engine } from '../../app/engine/engine.ts';
import type { DeviceGeometry } from '../../app/frontends/frontend.ts';
import { FuseHost } from '../../app/engine/fuse-device.ts';
import { NbdKernelHost } from '../../app/engine/nbd-kernel-device.ts';
import { UblkHost } from '../../app/engine/ublk-device.ts';
import { addon } from '../../native/binding.ts';
import type { LoopDisk } from '../system/support/loop-disk.ts';
import type { Scratch } from '../system/support/scratch.ts';

export type KernelFrontend = Exclude<FrontendName, 'nbd-socket'>;

export interface ServeOptions {
  readonly frontend: KernelFrontend;
  readonly source: LoopDisk;
  readonly destination: LoopDisk;
  readonly speed?: Speed;
  /** The source's own where it is not given. */
  readonly geometry?: DeviceGeometry;
  /** Of nbd alone. */
  readonly deadConnectionSeconds?: number;
}

export interface ServedParts {
  readonly engine: Engine;
  readonly host: DeviceHost;
  readonly device: VirtualDevice;
}

async function makeHost(scratch: Scratch, options: ServeOptions): Promise<DeviceHost> {
  const { frontend, deadConnectionSeconds } = options;
  switch (frontend) {
    case 'ublk':
      return UblkHost.add();
    case 'nbd':
      return NbdKernelHost.make({
        job: 'test',
        ...(deadConnectionSeconds === undefined ? {} : { deadConnectionSeconds }),
      });
    case 'fuse':
      return FuseHost.mount({ directory: await mkdtemp(scratch.path('fuse-')), job: 'test' });
  }
}

export class ServedDevice {
  readonly engine: Engine;
  readonly host: DeviceHost;
  readonly device: VirtualDevice;
  readonly #held: ReleaseStack;

  /** Taken away with the scratch, if the test has not done so. */
  static async serve(scratch: Scratch, options: ServeOptions): Promise<ServedDevice> {
    const held = new ReleaseStack();
    scratch.onRelease('a virtual device', () => held.releaseAll());
    return new ServedDevice(await bringUp(scratch, options, held), held);
  }

  private constructor({ engine, host, device }: ServedParts, held: ReleaseStack) {
    this.engine = engine;
    this.host = host;
    this.device = device;
    this.#held = held;
  }

  get path(): string {
    return this.device.name;
  }

  /** All that is still missing on the destination. */
  async copy(): Promise<void> {
    const synchronized = this.engine.synchronized();
    this.engine.startCopy();
    await synchronized;
  }

  /** The destination then holds everything, and is recognised. Nothing is left of the device. */
  async takeAway(): Promise<void> {
    await this.device.detach();
    this.engine.pauseCopy();
    await this.engine.closeFrontend();
    await this.engine.flushDestination();
    await this.engine.unmask('destination');
    await this.#held.releaseAll();
  }

  /** After the engine's death, too. */
  async letGo(): Promise<void> {
    await this.#held.releaseAll();
  }
}

async function bringUp(scratch: Scratch, options: ServeOptions, held: ReleaseStack): Promise<ServedParts> {
  const { source, destination, speed = 'balanced' } = options;
  const [from, to] = [
    await openDisk(source, constants.O_RDONLY),
    await openDisk(destination, constants.O_RDWR),
  ];
  held.add('the source', () => from.close());
  held.add('the destination', () => to.close());
  const { geometry = addon().blockGeometry(from.fd) } = options;
  const host = await makeHost(scratch, options);
  held.add('the host', () => host.release());
  const engine = await Engine.start({
    names: { source: source.path, destination: destination.path },
    geometry,
    sourceFd: from.fd,
    destinationFd: to.fd,
    speed,
    frontend: host.choice,
  });
  held.add('the engine', () => engine.stop());
  const device = await host.attach(geometry);
  held.add('the device', () => device.detach());
  return { engine, host, device };
}

function openDisk(disk: LoopDisk, access: number): Promise<FileHandle> {
  return open(disk.path, access | constants.O_DIRECT | constants.O_EXCL);
}
