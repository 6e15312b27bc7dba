/**
 * How the process is started that serves a volume: it stands in the kernel's write-back path, so what it asks for
 * memory must not wait for that very volume, and it must not be what is ended when memory is short. Set before
 * Node begins, because threads inherit it (native/harden.cc).
 */
import { builtFile } from '../base/built-file.ts';

export interface NodeStart {
  readonly execPath: string;
  readonly execArgv: string[];
}

/** For `fork` of node:child_process. */
export function hardenedNode(): NodeStart {
  return { execPath: builtFile('native/diskferry-harden'), execArgv: ['on', process.execPath, ...process.execArgv] };
}
