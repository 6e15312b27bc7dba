/**
 * A button, by what it means: the one way on, one of several, or what cannot be taken back. While what it asked for is
 * being done it cannot be pressed again, but keeps the focus, and shows and says that it works.
 */
import type { ReactElement, ReactNode } from 'react';
import { useState } from 'react';
import { Button } from 'react-aria-components/Button';
import { text } from '../text/text.ts';

export interface ActionButtonProps {
  readonly children: ReactNode;
  readonly onPress: () => void;
  readonly kind?: 'main' | 'plain' | 'danger';
  readonly isDisabled?: boolean;
  /** Something is being done that it, or another button, has asked for. */
  readonly isBusy?: boolean;
  readonly autoFocus?: boolean;
}

export function ActionButton(props: ActionButtonProps): ReactElement {
  const { kind = 'plain', children, isBusy = false, isDisabled = false, onPress, ...rest } = props;
  const [isFocused, setFocused] = useState(false);
  // A disabled button would lose the focus. React Aria's own `isPending` leaves unnamed images behind for screen readers.
  const isWorking = isBusy && isFocused;
  return (
    <Button
      className={`button ${kind}${isWorking ? ' working' : ''}`}
      isDisabled={!isWorking && (isDisabled || isBusy)}
      onFocusChange={setFocused}
      onPress={() => {
        if (!isBusy) onPress();
      }}
      {...rest}
    >
      {children}
      {isWorking && (
        <span className="busy-bar">
          <span className="unseen">{text('app.working')}</span>
        </span>
      )}
    </Button>
  );
}
