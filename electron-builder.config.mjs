/**
 * The package: what electron-builder puts together from the folders that resources/package/stage.mjs has laid out.
 * `npm run dist` is the way to it (resources/package.mjs).
 *
 * The desktop app comes to /opt/Diskferry, all else to where a distribution has it: the programs with a Node of their
 * own to /usr/lib/diskferry, so that a server needs neither Electron's libraries nor a display.
 */
import { readFileSync } from 'node:fs';
import { electronFolder } from './resources/package/electron.mjs';
import { packageName, staged } from './resources/package/places.mjs';
import { librariesFor } from './resources/package/libraries.mjs';

/** What the program in the package can still be made to do: nothing but to run the app that came with it. */
export const electronFuses = {
  runAsNode: false,
  enableCookieEncryption: true,
  enableNodeOptionsEnvironmentVariable: false,
  enableNodeCliInspectArguments: false,
  onlyLoadAppFromAsar: true,
  // Electron has it for macOS and Windows only. Here nobody but root can write to the asar.
  enableEmbeddedAsarIntegrityValidation: false,
  // The page has a scheme of its own.
  grantFileProtocolExtraPrivileges: false,
};

const version = (path) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8')).version;

/** Programs that Diskferry asks about disks; it says so where an optional one is missing. */
const depends = ['mount', 'util-linux', 'e2fsprogs', 'init-system-helpers'];
/** polkit: without it only root is served. The rest is what the window needs; apt installs it unless told not to. */
const recommends = [
  ...['polkitd | policykit-1', 'xfsprogs', 'btrfs-progs', 'partclone', 'psmisc'],
  ...['libgtk-3-0', 'libnotify4', 'libnss3', 'libxss1', 'libxtst6', 'libatspi2.0-0', 'libasound2', 'libgbm1', 'xdg-utils'],
];

export default () => ({
  appId: 'org.diskferry.wizard',
  productName: 'Diskferry',
  electronVersion: version('./node_modules/electron/package.json'),
  // Undefined: electron-builder fetches that version and compares it with its checksums.
  electronDist: electronFolder(),
  directories: { app: staged.app, output: staged.out },
  // All is in the bundles; electron-builder would add the modules of this repository.
  files: ['**/*', '!node_modules'],
  asar: true,
  // The window's process loads no addon.
  npmRebuild: false,
  publish: null,
  electronFuses,
  linux: {
    executableName: 'diskferry-wizard',
    syncDesktopName: true,
    icon: 'resources/icons',
    category: 'System',
    synopsis: 'move a disk to a new one while it stays in use',
    description: 'Moves a disk or volume to a new disk while it stays in use: wizard, command line and service.',
    maintainer: 'The authors of Diskferry',
    vendor: 'Diskferry',
    desktop: { entry: { Keywords: 'disk;migration;clone;copy;' } },
  },
  deb: {
    packageName,
    packageCategory: 'admin',
    depends: [...librariesFor(staged.root), ...depends],
    recommends,
    afterInstall: 'resources/package/postinst.sh',
    afterRemove: 'resources/package/postrm.sh',
    fpm: ['--before-remove', 'resources/package/prerm.sh', `${staged.root}/=/`],
  },
});
