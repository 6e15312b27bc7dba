/**
 * Whether what is shown has stood long enough to be meant. What cannot be taken back is not to be pressed in the
 * first moment after it came: a second click, or a press that was under way, was meant for what stood there before.
 */
import { createContext, useContext, useEffect, useState } from 'react';

export const settleMs = 1000;

/** How long that is here. */
export const SettleTime = createContext(settleMs);

/** From when its component came; give that a key where it is to begin anew. */
export function useSettled(): boolean {
  const delayMs = useContext(SettleTime);
  const [isSettled, setSettled] = useState(delayMs === 0);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(true), delayMs);
    return () => clearTimeout(timer);
  }, [delayMs]);
  return isSettled;
}
