/**
 * The kernel's nbd devices by generic netlink (linux/nbd-netlink.h), one function per command: no policy, no
 * nodes in /dev, no opening. Every function throws an `AddonError` with the errno that the kernel gave:
 * `ENOENT` when it has no nbd at all.
 *
 * A device keeps the sockets that it was given, whoever closes the descriptors. When a socket dies, requests
 * wait `deadConnectionSeconds` for another one (`reconfigureNbd`), and then fail; so does the device.
 */
import { addon } from './binding.ts';
import type { Attribute } from './netlink-message.ts';
import { attributeOf, decodeAnswer, decodeAttributes, encodeRequest } from './netlink-message.ts';

/** Of the family "nlctrl" (linux/genetlink.h), which knows the numbers of the others. */
const control = { family: 16, getFamily: 3, version: 2, familyId: 1, familyName: 2 } as const;

/** NBD_CMD_… */
const command = { connect: 1, disconnect: 2, reconfigure: 3, status: 5 } as const;
const version = 1;

/** NBD_ATTR_… */
const attribute = {
  index: 1,
  sizeBytes: 2,
  blockBytes: 3,
  timeout: 4,
  serverFlags: 5,
  clientFlags: 6,
  sockets: 7,
  deadConnectionTimeout: 8,
  deviceList: 9,
  backendIdentifier: 10,
} as const;
/** NBD_SOCK_ITEM, NBD_SOCK_FD, NBD_DEVICE_INDEX, NBD_DEVICE_CONNECTED */
const socketAttribute = { item: 1, fd: 1 } as const;
const deviceAttribute = { index: 1, isConnected: 2 } as const;

/** NBD_CFLAG_DISCONNECT_ON_CLOSE: the device is disconnected when the last who has it open closes it. */
const disconnectOnClose = 1 << 1;

/** What may be changed while the device is connected. Left out: stays as it is. */
export interface NbdSettings {
  /** Ends of stream sockets on whose other ends somebody speaks the transmission phase. */
  readonly sockets?: readonly number[];
  /** A request that takes longer gives up its connection. */
  readonly requestSeconds?: number;
  readonly deadConnectionSeconds?: number;
  readonly disconnectsOnClose?: boolean;
  /** Shown in sysfs; `reconfigureNbd` must name it again. */
  readonly backendIdentifier: string;
}

export interface NbdConnectOptions extends NbdSettings {
  readonly sizeBytes: number;
  readonly logicalBlockBytes: number;
  /** NBD_FLAG_…: what the other end can do. */
  readonly serverFlags: number;
  readonly sockets: readonly number[];
}

export interface NbdStatus {
  readonly index: number;
  readonly isConnected: boolean;
}

function u64(type: number, value: number | undefined): Attribute[] {
  return value === undefined ? [] : [{ type, value: { u64: value } }];
}

function indexAttribute(index: number): Attribute {
  return { type: attribute.index, value: { u32: index } };
}

function socketItem(fd: number): Attribute {
  return {
    type: socketAttribute.item,
    value: { nested: [{ type: socketAttribute.fd, value: { u32: fd } }] },
  };
}

function settingAttributes(settings: NbdSettings): Attribute[] {
  const { sockets, requestSeconds, deadConnectionSeconds, disconnectsOnClose, backendIdentifier } = settings;
  const clientFlags = disconnectsOnClose === true ? disconnectOnClose : 0;
  return [
    ...u64(attribute.timeout, requestSeconds),
    ...u64(attribute.deadConnectionTimeout, deadConnectionSeconds),
    ...u64(attribute.clientFlags, disconnectsOnClose === undefined ? undefined : clientFlags),
    ...(sockets === undefined
      ? []
      : [{ type: attribute.sockets, value: { nested: sockets.map(socketItem) } }]),
    { type: attribute.backendIdentifier, value: { text: backendIdentifier } },
  ];
}

async function familyNumber(): Promise<number> {
  const request = encodeRequest({
    family: control.family,
    command: control.getFamily,
    version: control.version,
    attributes: [{ type: control.familyName, value: { text: 'nbd' } }],
  });
  const answer = await addon().netlinkCall('nbd', request);
  return attributeOf(decodeAnswer(answer), control.familyId).readUInt16LE();
}

async function call(name: keyof typeof command, attributes: readonly Attribute[]): Promise<Uint8Array> {
  const family = await familyNumber();
  const request = encodeRequest({ family, command: command[name], version, attributes });
  return addon().netlinkCall(`nbd ${name}`, request);
}

/** Connects a device that nobody uses, or a new one, and returns its number. ENOSPC: there can be no more. */
export async function connectNbd(options: NbdConnectOptions): Promise<number> {
  const answer = await call('connect', [
    ...u64(attribute.sizeBytes, options.sizeBytes),
    ...u64(attribute.blockBytes, options.logicalBlockBytes),
    ...u64(attribute.serverFlags, options.serverFlags),
    ...settingAttributes(options),
  ]);
  return attributeOf(decodeAnswer(answer), attribute.index).readUInt32LE();
}

/** EINVAL when it is not connected, or has another backend. New sockets take the place of dead ones. */
export async function reconfigureNbd(index: number, settings: NbdSettings): Promise<void> {
  await call('reconfigure', [indexAttribute(index), ...settingAttributes(settings)]);
}

/** What is under way fails. Does nothing when the device is not connected. */
export async function disconnectNbd(index: number): Promise<void> {
  await call('disconnect', [indexAttribute(index)]);
}

/** Of all devices that there are. */
export async function nbdStatus(): Promise<NbdStatus[]> {
  const list = attributeOf(decodeAnswer(await call('status', [])), attribute.deviceList);
  return decodeAttributes(list).map(({ content }) => {
    const device = decodeAttributes(content);
    return {
      index: attributeOf(device, deviceAttribute.index).readUInt32LE(),
      isConnected: attributeOf(device, deviceAttribute.isConnected).readUInt8() !== 0,
    };
  });
}
