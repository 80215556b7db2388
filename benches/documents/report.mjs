// Tables of medians.

const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** "median (lowest to highest)", or the only value. */
export function median(values, digits = 0) {
  const sorted = [...values].sort((one, two) => one - two);
  const middle = number(sorted[Math.floor(sorted.length / 2)], digits);
  return sorted.length < 2 ? middle : `${middle} (${number(sorted[0], digits)} to ${number(sorted.at(-1), digits)})`;
}

/** Prints a Markdown table. */
export function table(head, rows) {
  for (const cells of [head, head.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
}

/** The value that the share of all values does not exceed. */
export function quantile(values, share) {
  const sorted = [...values].sort((one, two) => one - two);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}
