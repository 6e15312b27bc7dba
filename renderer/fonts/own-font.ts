/**
 * The wizard's letters, Inter (SIL Open Font License, ./LICENSE): a part of its script, so that it reads the same on a machine
 * that has hardly any fonts, and nothing is fetched for it, which the page's policy forbids. What it does not have, such as
 * other scripts in the name of a disk, comes from the system's fonts.
 */
import bytes from './inter-latin.woff2';

/** Before anything is shown, so that no word moves when it comes. A browser that refuses it shows the system's. */
export async function bringOwnFont(): Promise<void> {
  try {
    document.fonts.add(await new FontFace('Inter', bytes, { weight: '100 900' }).load());
  } catch {
    // The wizard is there for the move, and not for its letters.
  }
}
