/**
 * ublk's control commands, one function each, as the kernel has them: no policy, no nodes in /dev
 * (app/engine/ublk-device.ts adds these). Every function rejects with an `AddonError` that names the command.
 *
 * A device goes add → setParameters → start → stop → delete. `start` is done when a server has fetched with
 * every tag of its queue (app/frontends/ublk); `delete`, when nobody has its character device open or mapped.
 */
import type { AddonError } from './binding.ts';
import { addon, isAddonError } from './binding.ts';
import type { AddOptions, UblkDeviceInfo, UblkParameters } from './ublk-message.ts';
import { decodeInfo, emptyInfo, encodeAdd, encodeParameters } from './ublk-message.ts';

export type { UblkDeviceInfo, UblkParameters } from './ublk-message.ts';
export { ublkFlag } from './ublk-message.ts';

/**
 * How a command's number is written: bare, which is all that kernels before 6.4 know, or as an ioctl's, which
 * is all that some later ones know (CONFIG_BLKDEV_UBLK_LEGACY_OPCODES).
 */
export type NumberForm = 'bare' | 'ioctl';

interface Command {
  readonly name: string;
  readonly number: number;
  readonly direction: keyof typeof directions;
}

const directions = { read: 2, both: 3 } as const;
const directionShift = 2 ** 30;
const sizeShift = 2 ** 16;
const typeShift = 2 ** 8;
const controlBytes = 32; // struct ublksrv_ctrl_cmd
const requestBytes = 16; // struct ublksrv_io_cmd

const commands = {
  info: { name: 'GET_DEV_INFO', number: 0x02, direction: 'read' },
  add: { name: 'ADD_DEV', number: 0x04, direction: 'both' },
  delete: { name: 'DEL_DEV', number: 0x05, direction: 'both' },
  start: { name: 'START_DEV', number: 0x06, direction: 'both' },
  stop: { name: 'STOP_DEV', number: 0x07, direction: 'both' },
  setParameters: { name: 'SET_PARAMS', number: 0x08, direction: 'both' },
  startRecovery: { name: 'START_USER_RECOVERY', number: 0x10, direction: 'both' },
  endRecovery: { name: 'END_USER_RECOVERY', number: 0x11, direction: 'both' },
  features: { name: 'GET_FEATURES', number: 0x13, direction: 'read' },
} as const satisfies Record<string, Command>;

/** Of the commands that go through the server's own ring. */
const requestNumbers = { fetch: 0x20, commitAndFetch: 0x21 } as const;

/** _IOC() of asm-generic/ioctl.h with the type 'u'. */
function ioctlNumber(direction: number, bytes: number, number: number): number {
  return direction * directionShift + bytes * sizeShift + 'u'.charCodeAt(0) * typeShift + number;
}

/** As a signed word: a number beyond that is allocated whenever it is passed on. */
export function requestCommand(form: NumberForm, name: keyof typeof requestNumbers): number {
  const number = requestNumbers[name];
  return form === 'bare' ? number : ioctlNumber(directions.both, requestBytes, number) | 0;
}

/**
 * What kernels say to a number that they do not know: ENODEV, EINVAL, EOPNOTSUPP, and ENOTSUPP of their own.
 */
const unknownCommandErrnos = [19, 22, 95, 524];
const noDevice = 0xffffffff;
const nothing = new Uint8Array();

interface CallOptions {
  readonly value?: number;
  readonly timeoutMs?: number;
  readonly buffer?: Uint8Array;
}

export class UblkControl {
  readonly numberForm: NumberForm;

  /** Opens nothing that lasts. Rejects when /dev/ublk-control cannot be opened. */
  static async find(): Promise<UblkControl> {
    const modern = new UblkControl('ioctl');
    try {
      // Since kernel 6.5, and always with the numbers of ioctls; before that, bare ones are known.
      await modern.#call('features', noDevice, { buffer: new Uint8Array(8) });
      return modern;
    } catch (error) {
      if (!isAddonError(error) || !isUnknownCommand(error)) throw error;
      return new UblkControl('bare');
    }
  }

  constructor(numberForm: NumberForm) {
    this.numberForm = numberForm;
  }

  async add(options: AddOptions): Promise<UblkDeviceInfo> {
    return decodeInfo(await this.#call('add', noDevice, { buffer: encodeAdd(options) }));
  }

  async info(id: number): Promise<UblkDeviceInfo> {
    return decodeInfo(await this.#call('info', id, { buffer: emptyInfo() }));
  }

  async setParameters(id: number, parameters: UblkParameters): Promise<void> {
    await this.#call('setParameters', id, { buffer: encodeParameters(parameters) });
  }

  /** Resolves when consumers can use the device; its partitions have been read through the server by then. */
  async start(id: number, processId: number, timeoutMs: number): Promise<void> {
    await this.#call('start', id, { value: processId, timeoutMs });
  }

  /** Ends what is in flight, takes the block device away, and gives every fetch of the server back. */
  async stop(id: number): Promise<void> {
    await this.#call('stop', id, {});
  }

  async delete(id: number, timeoutMs: number): Promise<void> {
    await this.#call('delete', id, { timeoutMs });
  }

  /** After a server's death: another one may open the character device and fetch. */
  async startRecovery(id: number): Promise<void> {
    await this.#call('startRecovery', id, {});
  }

  /** Resolves when the new server has fetched with every tag; requests then go on. */
  async endRecovery(id: number, processId: number, timeoutMs: number): Promise<void> {
    await this.#call('endRecovery', id, { value: processId, timeoutMs });
  }

  #call(command: keyof typeof commands, deviceId: number, options: CallOptions): Promise<Uint8Array> {
    const { name, number, direction } = commands[command];
    const operation =
      this.numberForm === 'bare' ? number : ioctlNumber(directions[direction], controlBytes, number);
    const { value = 0, timeoutMs = -1, buffer = nothing } = options;
    return addon().ublkControl({ name: callName(name), operation, deviceId, value, timeoutMs, buffer });
  }
}

function isUnknownCommand({ syscall, errno }: AddonError): boolean {
  return syscall === callName(commands.features.name) && unknownCommandErrnos.includes(errno);
}

function callName(command: string): string {
  return `ublk(${command})`;
}
