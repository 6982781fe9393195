import type { PageSetting } from "../http/page/page_status.ts";
import type { OptionReader } from "./command_line.ts";
import type { Option } from "./option.ts";
import { OPTIONS } from "./options.ts";

/** The settings of a program that serves: all options that have a value, in the order of `--help`. */
export function settingsOf(options: OptionReader): PageSetting[] {
  const settings: PageSetting[] = [];
  for (const option of OPTIONS) {
    const raw = options.raw(option.name);
    if (raw === undefined) continue;
    settings.push({
      flag: flagOf(option),
      value: option.type.shown?.(raw) ?? raw.text,
      isDefault: !options.isSet(option.name),
    });
  }
  return settings;
}

function flagOf({ name, env, envOnly }: Option): string {
  return envOnly ? env! : `--${name}`;
}
