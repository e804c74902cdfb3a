// The language of the page: chosen by the person, else by the browser; remembered.

import { read, write } from './keep';
import { messages, type Messages } from './messages';

export type LangCode = 'zh' | 'en';

const KEY = 'conversa.lang';

function first(): LangCode {
  const kept = read(KEY);
  if (kept === 'zh' || kept === 'en') return kept;
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

class Lang {
  code = $state<LangCode>(first());

  get t(): Messages {
    return messages[this.code];
  }

  /** For `lang` attributes and Intl. */
  get tag(): string {
    return this.code === 'zh' ? 'zh-CN' : 'en';
  }

  set(code: LangCode): void {
    this.code = code;
    write(KEY, code);
  }

  time(ts: number): string {
    return new Intl.DateTimeFormat(this.tag, { hour: '2-digit', minute: '2-digit', hour12: false }).format(ts);
  }

  moment(ts: number): string {
    return new Intl.DateTimeFormat(this.tag, { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false }).format(ts);
  }

  day(ts: number): string {
    return new Intl.DateTimeFormat(this.tag, { year: 'numeric', month: 'long', day: 'numeric', weekday: 'short' }).format(ts);
  }

  number(value: number): string {
    return new Intl.NumberFormat(this.tag).format(value);
  }

  percent(share: number): string {
    return new Intl.NumberFormat(this.tag, { style: 'percent', maximumFractionDigits: 0 }).format(share);
  }

  /** 812 B, 34 kB, 1.2 MB. */
  bytes(count: number): string {
    const [unit, of] = count < 1_000 ? ['byte', 1] : count < 1_000_000 ? ['kilobyte', 1_000] : ['megabyte', 1_000_000];
    return new Intl.NumberFormat(this.tag, { style: 'unit', unit: unit as string, unitDisplay: 'short', maximumFractionDigits: count < 1_000_000 ? 0 : 1 }).format(count / (of as number));
  }

  /** 45 s, 3 min, 2 h. */
  duration(ms: number): string {
    const seconds = Math.max(0, Math.floor(ms / 1_000));
    if (seconds < 60) return this.t.units.seconds(seconds);
    if (seconds < 3_600) return this.t.units.minutes(Math.floor(seconds / 60));
    return this.t.units.hours(Math.floor(seconds / 3_600));
  }
}

export const lang = new Lang();
