/** Counters in the text format of Prometheus, each with the version that counted. */
const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

export function createMetrics(version) {
  const requests = new Map();
  const buckets = bounds.map(() => 0);
  let count = 0;
  let seconds = 0;
  return {
    count(route, status, took) {
      const key = `route="${route}",status="${status}"`;
      requests.set(key, (requests.get(key) ?? 0) + 1);
      count += 1;
      seconds += took;
      for (let i = 0; i < bounds.length; i += 1) if (took <= bounds[i]) buckets[i] += 1;
    },
    text(inFlight) {
      const label = `version="${version}"`;
      const lines = [
        '# HELP storefront_requests_total Requests answered, by route and status.',
        '# TYPE storefront_requests_total counter',
        ...[...requests].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => `storefront_requests_total{${label},${key}} ${value}`),
        '# HELP storefront_request_seconds Time from the request to the end of the answer.',
        '# TYPE storefront_request_seconds histogram',
        ...bounds.map((bound, i) => `storefront_request_seconds_bucket{${label},le="${bound}"} ${buckets[i]}`),
        `storefront_request_seconds_bucket{${label},le="+Inf"} ${count}`,
        `storefront_request_seconds_sum{${label}} ${seconds}`,
        `storefront_request_seconds_count{${label}} ${count}`,
        '# HELP storefront_in_flight Requests under way.',
        '# TYPE storefront_in_flight gauge',
        `storefront_in_flight{${label}} ${inFlight}`,
        '# HELP storefront_memory_bytes Resident memory.',
        '# TYPE storefront_memory_bytes gauge',
        `storefront_memory_bytes{${label}} ${process.memoryUsage.rss()}`,
      ];
      return `${lines.join('\n')}\n`;
    },
  };
}
