/**
 * Completions for bash and zsh, made from the commands themselves: names, options, and the choices of those that have
 * them. Everything else is completed as a path.
 */
import type { Argument, Command, Option } from 'commander';

interface Choice {
  /** `--speed`; null for an argument. */
  readonly flag: string | null;
  readonly choices: readonly string[];
}

interface Described {
  readonly name: string;
  readonly flags: readonly string[];
  readonly choices: readonly Choice[];
}

export function describeCommands(program: Command): Described[] {
  return program.commands.map((command) => ({
    name: command.name(),
    flags: [...command.options.flatMap(flagsOf), '--help'],
    choices: [
      ...command.options.flatMap((option) => choiceOf(option, option.long ?? null)),
      ...command.registeredArguments.flatMap((argument) => choiceOf(argument, null)),
    ],
  }));
}

function flagsOf({ long }: Option): string[] {
  return long === undefined ? [] : [long];
}

function choiceOf({ argChoices }: Option | Argument, flag: string | null): Choice[] {
  return argChoices === undefined ? [] : [{ flag, choices: argChoices }];
}

function quoted(words: readonly string[]): string {
  return `'${words.join(' ')}'`;
}

export function bashCompletion(program: Command): string {
  const commands = describeCommands(program);
  const cases = commands.map(({ name, flags, choices }) => {
    const ofFlags = choices.flatMap(({ flag, choices: words }) =>
      flag === null ? [] : [`        ${flag}) words=${quoted(words)} ;;`],
    );
    const ofArgument = choices.find(({ flag }) => flag === null)?.choices ?? [];
    return [
      `    ${name})`,
      `      words=${quoted([...flags, ...ofArgument])}`,
      ...(ofFlags.length === 0 ? [] : ['      case $previous in', ...ofFlags, '      esac']),
      '      ;;',
    ].join('\n');
  });
  return `# Completions of diskferry for bash: source <(diskferry completion bash)
_diskferry() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} words
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    words=${quoted(commands.map(({ name }) => name))}
  else
    case \${COMP_WORDS[1]} in
${cases.join('\n')}
    esac
  fi
  case $previous:$current in
    -*:-*) ;;
    --source:*|--destination:*|--state-dir:*|--key-file:*|--socket:*) words= ;;
  esac
  [ -n "$words" ] && COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _diskferry diskferry
`;
}

export function zshCompletion(program: Command): string {
  const names = program.commands.map((command) => `    ${zshText(`${command.name()}:${command.description()}`)}`);
  const cases = program.commands.map((command) => {
    const options = command.options.map((option) => `      ${zshText(optionSpec(option))}`);
    const argumentsOf = command.registeredArguments.map((argument) => `      ${zshText(argumentSpec(argument))}`);
    return `    ${command.name()}) _arguments \\\n${[...options, ...argumentsOf, "      '--help'"].join(' \\\n')} ;;`;
  });
  return `#compdef diskferry
# Completions of diskferry for zsh: source <(diskferry completion zsh)
_diskferry() {
  local -a commands=(
${names.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join('\n')}
  esac
}
compdef _diskferry diskferry
`;
}

function zshText(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function optionSpec({ long, description, argChoices, required }: Option): string {
  const what = `${long ?? ''}[${escaped(description)}]`;
  if (argChoices !== undefined) return `${what}:choice:(${argChoices.join(' ')})`;
  return required ? `${what}:value:_files` : what;
}

function argumentSpec(argument: Argument): string {
  const { argChoices, description } = argument;
  return `:${escaped(description)}:${argChoices === undefined ? '' : `(${argChoices.join(' ')})`}`;
}

function escaped(text: string): string {
  return text.replace(/[[\]:]/g, (character) => `\\${character}`);
}
