/**
 * A variable of the environment that names a path. Undefined also where it is set to nothing, as scripts leave it: a path
 * made from that would be the current directory.
 */
export function setVariable(name: 'DISKFERRY_SOCKET' | 'DISKFERRY_STATE_DIR'): string | undefined {
  const value = process.env[name];
  return value === '' ? undefined : value;
}
