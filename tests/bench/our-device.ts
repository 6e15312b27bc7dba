/**
 * A process of its own with our engine in it, as the product has it: brings a virtual device up, copies,
 * takes it down, as the benchmark that forked it asks. Can do so any number of times. Ends when its parent
 * has gone.
 */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { present } from '../../app/base/error.ts';
import { ReleaseStack } from '../../app/base/release.ts';
import { readAllocation } from '../../app/devices/allocated.ts';
import type { DeviceHost } from '../../app/engine/device-host.ts';
import { Engine } from '../../app/engine/engine.ts';
import { FuseHost } from '../../app/engine/fuse-device.ts';
import { NbdSocket } from '../../app/engine/nbd-device.ts';
import { NbdKernelHost } from '../../app/engine/nbd-kernel-device.ts';
import { UblkHost } from '../../app/engine/ublk-device.ts';
import type { DeviceGeometry } from '../../app/frontends/frontend.ts';
import { addon } from '../../native/binding.ts';
import type { AnswerMessage, AttachSetting, CallMessage, DeviceCalls } from './device-calls.ts';

class OurDevice implements DeviceCalls {
  #held = new ReleaseStack();
  #engine: Engine | undefined;
  #copyStartedMs = 0;

  async attach(setting: AttachSetting): Promise<{ name: string; elapsedMs: number }> {
    const startedMs = performance.now();
    const source = await this.#open(setting.sourcePath, constants.O_RDONLY);
    const destination = await this.#open(setting.destinationPath, constants.O_RDWR);
    const { sizeBytes, logicalBlockBytes, physicalBlockBytes } = addon().blockGeometry(source.fd);
    const geometry: DeviceGeometry = { sizeBytes, logicalBlockBytes, physicalBlockBytes };
    const host = await makeHost(setting);
    this.#held.add('the frontend', () => host.release());
    const names = { source: setting.sourcePath, destination: setting.destinationPath };
    const disks = {
      names,
      geometry,
      sourceFd: source.fd,
      destinationFd: destination.fd,
      speed: setting.speed,
    };
    const engine = await Engine.start({ ...disks, frontend: host.choice });
    this.#engine = engine;
    this.#held.add('the engine', () => engine.stop());
    await skipFreeSpace(engine, setting, sizeBytes);
    const device = await host.attach(geometry);
    this.#held.add('the virtual device', async () => {
      await device.detach();
      engine.pauseCopy();
      await engine.closeFrontend();
    });
    return { name: device.name, elapsedMs: performance.now() - startedMs };
  }

  startCopy(): Promise<void> {
    this.#copyStartedMs = performance.now();
    this.#running.startCopy();
    return Promise.resolve();
  }

  async synchronized(): Promise<{ elapsedMs: number }> {
    await this.#running.synchronized();
    await this.#running.flushDestination();
    return { elapsedMs: performance.now() - this.#copyStartedMs };
  }

  progress(): ReturnType<DeviceCalls['progress']> {
    return Promise.resolve({ ...this.#running.progress, timeMs: performance.now() });
  }

  residentBytes(): Promise<number> {
    return Promise.resolve(process.memoryUsage.rss());
  }

  async detach(): Promise<void> {
    this.#engine = undefined;
    await this.#held.releaseAll();
  }

  get #running(): Engine {
    return present(this.#engine, 'an engine: attach comes first');
  }

  async #open(path: string, access: number): Promise<FileHandle> {
    const handle = await open(path, access | constants.O_DIRECT | constants.O_EXCL);
    this.#held.add(path, () => handle.close());
    return handle;
  }
}

function makeHost({ frontend, directory }: AttachSetting): Promise<DeviceHost> | DeviceHost {
  switch (frontend) {
    case 'fuse':
      return FuseHost.mount({ directory, job: 'bench' });
    case 'ublk':
      return UblkHost.add();
    case 'nbd':
      return NbdKernelHost.make({ job: 'bench' });
    case 'nbd-socket':
      return NbdSocket.listen(join(directory, 'socket'));
  }
}

async function skipFreeSpace(engine: Engine, setting: AttachSetting, sizeBytes: number): Promise<void> {
  const { sourcePath, skipsFreeSpaceOf } = setting;
  if (skipsFreeSpaceOf === undefined) return;
  const allocation = await readAllocation({ path: sourcePath, sizeBytes, fileSystemType: skipsFreeSpaceOf });
  if (allocation.kind === 'unknown') throw new Error(allocation.reason);
  await engine.skip(allocation.freeExtents);
}

const device = new OurDevice();

async function answer({ call, parameter }: CallMessage): Promise<AnswerMessage> {
  try {
    return { result: await device[call](parameter as AttachSetting) };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

process.on('message', (message: CallMessage) => {
  void answer(message).then((said) => process.send?.(said));
});
process.on('disconnect', () => {
  void device.detach().finally(() => process.exit());
});
// A signal may reach the whole group; the benchmark takes the device down in its own order.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => {});
