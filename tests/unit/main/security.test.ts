/**
 * Electron's security rules as they are written: the options of the real window, and the fuses that electron-builder
 * sets in the packaged program. What a running app does is tested in tests/ui, what is in a package in tests/system.
 */
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { windowOptions } from '../../../main/window-options.ts';

const configuration = join(resolve(import.meta.dirname, '../../..'), 'electron-builder.config.mjs');

it('gives the page no Node, no way around its sandbox, and a preload only', () => {
  expect(windowOptions('/preload.cjs').webPreferences).toEqual({
    preload: '/preload.cjs',
    ...{ sandbox: true, contextIsolation: true, webSecurity: true },
    ...{ nodeIntegration: false, nodeIntegrationInWorker: false, nodeIntegrationInSubFrames: false },
    ...{ allowRunningInsecureContent: false, experimentalFeatures: false },
    ...{ webviewTag: false, navigateOnDragDrop: false, spellcheck: false },
  });
});

it('lets the packaged program run nothing but the app that it came with', async () => {
  const { electronFuses } = (await import(configuration)) as { readonly electronFuses: Readonly<Record<string, boolean>> };
  expect(electronFuses).toEqual({
    ...{ runAsNode: false, enableNodeOptionsEnvironmentVariable: false, enableNodeCliInspectArguments: false },
    ...{ onlyLoadAppFromAsar: true, enableEmbeddedAsarIntegrityValidation: false },
    ...{ enableCookieEncryption: true, grantFileProtocolExtraPrivileges: false },
  });
});
