/**
 * Loaded before every test of this folder: they make device-mapper devices and load modules, which is for the
 * guests that run.ts boots and never for the machine that somebody works on.
 */
if (process.env['DISKFERRY_GUEST'] === undefined) {
  throw new Error('these tests run in a guest: npm run test:guest [-- tests/guest/NAME.test.ts]');
}
