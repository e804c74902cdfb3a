// What the boards read over REST.

export interface Queue {
  id: string;
  name: { zh: string; en: string };
  waiting: number;
  longest_wait_since_ts: number | null;
}

export interface AgentLine {
  id: string;
  name: string;
  state: string;
  capacity: number;
  places: number;
}

export type Colour = 'green' | 'yellow' | 'red';
export type Polarity = 'positive' | 'neutral' | 'negative';

export interface Keyword {
  keyword: string;
  conversations: number;
  positive: number;
  neutral: number;
  negative: number;
  sentiment: Colour;
  heat: number;
}

export interface Keywords {
  conversations: number;
  messages: number;
  items: Keyword[];
}

export type Sentiment = Record<Polarity, number>;

export interface ScoreItem {
  rule: string;
  title: { zh: string; en: string };
  section: string;
  points: number;
  max: number;
  verdict: 'pass' | 'fail' | 'not_applicable';
  evidence: { o: number; ts: number; text: string }[];
}

export interface Score {
  cv: string;
  score: number;
  fatal: boolean;
  closed_ts: number | null;
  agent: { id: string; name: string } | string | null;
  items: ScoreItem[];
  features: Record<string, number>;
}

export interface Scores {
  items: Score[];
  distribution: { from: number; to: number; count: number }[];
  mean: number | null;
  scored: number;
}

export interface Mention {
  cv: string;
  o: number;
  ts: number;
  text: string;
  sentiment: Polarity;
}

/** What the drawer on the right shows; the last one is on top. */
export type Sight =
  | { kind: 'keyword'; keyword: string }
  | { kind: 'score'; score: Score }
  | { kind: 'transcript'; cv: string; o: number | null };
