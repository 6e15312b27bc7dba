/** What a person fills in, each with its reason below it. */
import type { ReactElement } from 'react';
import { CheckboxButton, CheckboxField } from 'react-aria-components/Checkbox';
import { Input } from 'react-aria-components/Input';
import { Label } from 'react-aria-components/Label';
import { RadioButton, RadioField, RadioGroup } from 'react-aria-components/RadioGroup';
import { Text } from 'react-aria-components/Text';
import { TextField } from 'react-aria-components/TextField';
import type { Speed } from '../../app/contract/plan.ts';
import { speedSchema } from '../../app/contract/plan.ts';
import { text } from '../text/text.ts';

export interface FieldProps {
  readonly label: string;
  readonly why?: string;
  readonly defaultValue?: string;
  readonly value?: string;
  readonly onChange: (value: string) => void;
  readonly type?: 'text' | 'password';
  readonly maxLength?: number;
}

export function Field({ label, why, ...rest }: FieldProps): ReactElement {
  return (
    <TextField className="text-field" autoComplete="off" spellCheck="false" {...rest}>
      <Label>{label}</Label>
      <Input />
      {why !== undefined && (
        <Text slot="description" className="soft">
          {why}
        </Text>
      )}
    </TextField>
  );
}

export interface CheckBoxProps {
  readonly isSelected: boolean;
  readonly onChange: (isSelected: boolean) => void;
  readonly label: string;
  readonly why: string;
}

export function CheckBox({ label, why, ...rest }: CheckBoxProps): ReactElement {
  return (
    <CheckboxField className="option" {...rest}>
      <CheckboxButton className="checkbox">
        <span className="tick" aria-hidden="true" />
        {label}
      </CheckboxButton>
      <Text slot="description" className="soft">
        {why}
      </Text>
    </CheckboxField>
  );
}

export interface SpeedChoiceProps {
  /** Null: not known, so it cannot be changed. */
  readonly speed: Speed | null;
  readonly onChange: (speed: Speed) => void;
}

/** With what each speed means to the programs that use the disk. */
export function SpeedChoice({ speed, onChange }: SpeedChoiceProps): ReactElement {
  return (
    <RadioGroup className="radio-group" value={speed} onChange={(value) => onChange(speedSchema.parse(value))}>
      <Label>{text('plan.speed')}</Label>
      {speedSchema.options.map((option) => (
        <RadioField key={option} value={option} className="option">
          <RadioButton className="radio">
            <span className="choice-mark" aria-hidden="true" />
            {text(`plan.speeds.${option}`)}
          </RadioButton>
          <Text slot="description" className="soft">
            {text(`plan.speedWhy.${option}`)}
          </Text>
        </RadioField>
      ))}
    </RadioGroup>
  );
}

/** The same in one line, for a job that runs. */
export function SpeedSwitch({ speed, isDisabled, onChange }: SpeedChoiceProps & { readonly isDisabled: boolean }): ReactElement {
  return (
    <RadioGroup
      className="segments"
      aria-label={text('plan.speed')}
      orientation="horizontal"
      value={speed}
      isDisabled={isDisabled || speed === null}
      onChange={(value) => onChange(speedSchema.parse(value))}
    >
      {speedSchema.options.map((option) => (
        <RadioField key={option} value={option}>
          <RadioButton className="segment">{text(`plan.speeds.${option}`)}</RadioButton>
        </RadioField>
      ))}
    </RadioGroup>
  );
}
