/**
 * Trees of files that make a file system show all its sides, and one line that says whether two trees are
 * equal.
 */
import { runCommand } from '../../../app/devices/command.ts';

/**
 * Files of many sizes, deleted ones between them, fragmented, sparse and appended ones, hard and symbolic
 * links, odd names, attributes in and out of the inode, modes and owners.
 */
const usual = `
  cd "$1"
  for folder in $(seq 0 9); do mkdir -p tree/$folder; done
  for i in $(seq 250); do head -c $((i * 331)) /dev/urandom > tree/$((i % 10))/f$i; done
  dd if=/dev/urandom of=big bs=1M count=24 status=none
  for i in $(seq 3 3 250); do rm tree/$((i % 10))/f$i; done
  for i in $(seq 20); do
    head -c 50000 /dev/urandom >> gone
    head -c 50000 /dev/urandom >> fragmented
    sync gone fragmented
  done
  rm gone
  dd if=/dev/urandom of=sparse bs=4k seek=2000 count=3 status=none
  truncate -s 30M sparse
  ln tree/1/f1 hard
  ln -s "$(printf 'x%.0s' $(seq 90))" link
  mkfifo fifo
  : > 'odd name ä'
  setfattr -n user.small -v 1 big
  setfattr -n user.large -v "$(head -c 700 /dev/zero | tr '\\0' x)" hard
  chmod 4711 hard
  chown 1234:5678 big`;

export async function churn(target: string, extra = ''): Promise<void> {
  await runCommand('bash', ['-c', `set -e\n${usual}\n${extra}`, 'bash', target], `filling ${target}`);
}

/** A hash over content, names, modes, owners, times, links and attributes of everything below `target`. */
export async function fingerprint(target: string): Promise<string> {
  const options = '--sort=name --numeric-owner --xattrs --xattrs-include="*" --format=posix';
  const script = `set -o pipefail
    tar --create ${options} --pax-option=delete=atime,delete=ctime --directory "$1" . | sha256sum`;
  return runCommand('bash', ['-c', script, 'bash', target], `hashing ${target}`);
}

/** Files for file systems that know neither owners nor links. */
export async function churnPlain(target: string): Promise<void> {
  const script = `set -e
    cd "$1"
    for folder in $(seq 0 9); do mkdir -p tree/$folder; done
    for i in $(seq 150); do head -c $((i * 331)) /dev/urandom > tree/$((i % 10))/f$i; done
    for i in $(seq 2 2 150); do rm tree/$((i % 10))/f$i; done
    for i in $(seq 20); do
      head -c 50000 /dev/urandom >> gone
      head -c 50000 /dev/urandom >> parts
    done
    rm gone
    head -c 9M /dev/urandom > 'A long name with spaces.bin'`;
  await runCommand('bash', ['-c', script, 'bash', target], `filling ${target}`);
}

/** A hash over the names and the content of all files. */
export async function hashFiles(target: string): Promise<string> {
  const script = 'cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum';
  return runCommand('bash', ['-c', script, 'bash', target], `hashing ${target}`);
}
