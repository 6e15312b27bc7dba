/**
 * Error numbers of Linux as the ring's completions carry them, negative: asm-generic/errno-base.h and
 * errno.h, which hold for every architecture that we build for. Node's own table has them by name and
 * positive, and would be looked up on the hot path.
 */
export const errno = {
  noEntry: -2,
  interrupted: -4,
  ioError: -5,
  noAddress: -6,
  again: -11,
  noDevice: -19,
  invalid: -22,
  noSpace: -28,
  noMethod: -25,
  notImplemented: -38,
  notSupported: -95,
  noMedium: -123,
  cancelled: -125,
} as const;
