/** A button, by what it means: the one way on, one of several, or what cannot be taken back. */
import type { ReactElement, ReactNode } from 'react';
import { Button } from 'react-aria-components/Button';

export interface ActionButtonProps {
  readonly children: ReactNode;
  readonly onPress: () => void;
  readonly kind?: 'main' | 'plain' | 'danger';
  readonly isDisabled?: boolean;
  readonly isPending?: boolean;
  readonly autoFocus?: boolean;
}

export function ActionButton({ kind = 'plain', children, ...rest }: ActionButtonProps): ReactElement {
  return (
    <Button className={`button ${kind}`} {...rest}>
      {children}
    </Button>
  );
}
