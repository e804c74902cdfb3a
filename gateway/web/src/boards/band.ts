// Three bands of points, as the legend of the histogram says.

export type Band = 'good' | 'fair' | 'bad';

export function band(points: number): Band {
  if (points >= 80) return 'good';
  return points >= 60 ? 'fair' : 'bad';
}
