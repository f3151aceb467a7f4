#include "runtime/access/rates.hpp"

#include "runtime/api/route.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <set>

namespace tayfa::access {

namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds forget_pause{1};

std::string_view first_word(std::string_view route) {
  return route.substr(0, route.find('/'));
}

std::string known_names() {
  std::set<std::string_view> names;
  for (const auto& row : api::routes()) {
    names.insert(first_word(row.path));
  }
  std::string list;
  for (const auto name : names) {
    list += (list.empty() ? "" : ", ") + std::string{name};
  }
  return list;
}

/// Time per token; rounded up, so never more requests than the rule allows.
nanoseconds interval_of(const route_rate& rule) {
  const nanoseconds period = rule.period;
  return nanoseconds{(period.count() + rule.requests - 1) / rule.requests};
}

std::uint32_t whole_seconds(nanoseconds time) {
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  return static_cast<std::uint32_t>(std::max<std::int64_t>(seconds, 1));
}

std::string bucket_name(std::string_view route, std::string_view who) {
  return std::string{first_word(route)} + ' ' + std::string{who};
}

/// Shared bucket's name, distinct from all others: those begin with "key" or "address".
constexpr std::string_view everybody_else;

} // namespace

rate_rules runpod_rates() {
  constexpr milliseconds ten{10'000};
  rate_rules rules;
  for (auto rate : {route_rate{"run", 1'000, ten, 200}, route_rate{"runsync", 2'000, ten, 400},
                    route_rate{"status", 2'000, ten, 400},
                    route_rate{"status-sync", 2'000, ten, 400}, // not documented: same as status
                    route_rate{"stream", 2'000, ten, 400}, route_rate{"cancel", 100, ten, 20},
                    route_rate{"purge-queue", 2, ten, 0}, route_rate{"requests", 10, ten, 2},
                    route_rate{"openai", 2'000, ten, 400}}) {
    rules.emplace(rate.route, rate);
  }
  return rules;
}

result<rate_rules> parse_rates(std::span<const std::string> items) {
  rate_rules rules;
  for (const auto& item : items) {
    const auto refused = [&item](const std::string& why) {
      return fail(errc::bad_config, "http.rate_limits: " + item + " " + why);
    };
    const auto rate = parse_rate(item);
    if (!rate) {
      return refused(rate.error().text);
    }
    if (rate->requests == 0) {
      if (items.size() > 1) {
        return refused("must stand alone");
      }
      return rate->route == "off" ? rate_rules{} : runpod_rates();
    }
    const auto rows = api::routes();
    if (std::none_of(rows.begin(), rows.end(),
                     [&rate](const auto& row) { return first_word(row.path) == rate->route; })) {
      return refused("names no route; there are " + known_names());
    }
    if (!rules.emplace(rate->route, *rate).second) {
      return refused("is the second rule of its route");
    }
  }
  return rules;
}

rate_limiter::rate_limiter(rate_rules rules, std::size_t buckets_max)
    : rules_(std::move(rules)), buckets_max_(std::max<std::size_t>(buckets_max, 1)) {}

const route_rate* rate_limiter::rule_of(std::string_view route) const {
  const auto found = rules_.find(first_word(route));
  return found == rules_.end() ? nullptr : &found->second;
}

std::uint32_t rate_limiter::take(std::string_view route, std::string_view who, moment now) {
  const route_rate* const rule = rule_of(route);
  if (rule == nullptr) {
    return 0;
  }
  bucket& mine = bucket_of(route, who, now);
  if (rule->at_once > 0 && mine.open >= rule->at_once) {
    return 1; // the end of an open request cannot be predicted
  }
  const nanoseconds interval = interval_of(*rule);
  const moment full_at = std::max(mine.full_at, now) + interval;
  const nanoseconds missing = full_at - now - interval * rule->requests;
  if (missing > nanoseconds{0}) {
    return whole_seconds(missing);
  }
  mine.full_at = full_at;
  ++mine.open;
  return 0;
}

void rate_limiter::done(std::string_view route, std::string_view who) {
  if (rule_of(route) == nullptr) {
    return;
  }
  // A request counted in the shared bucket may have its own bucket by now: its open count is in one
  // of them.
  for (const auto each : {who, everybody_else}) {
    const auto found = buckets_.find(bucket_name(route, each));
    if (found != buckets_.end() && found->second.open > 0) {
      --found->second.open;
      return;
    }
  }
}

rate_limiter::bucket& rate_limiter::bucket_of(std::string_view route, std::string_view who,
                                              moment now) {
  auto name = bucket_name(route, who);
  if (const auto found = buckets_.find(name); found != buckets_.end()) {
    return found->second;
  }
  if (buckets_.size() >= buckets_max_ && now >= may_forget_at_) {
    forget_full(now);
  }
  return buckets_.size() < buckets_max_ ? buckets_[std::move(name)]
                                        : buckets_[bucket_name(route, everybody_else)];
}

void rate_limiter::forget_full(moment now) {
  may_forget_at_ = now + forget_pause;
  std::erase_if(buckets_, [now](const auto& each) {
    return each.second.full_at <= now && each.second.open == 0;
  });
}

std::string network_of(std::string_view address) {
  const std::string text{address.substr(0, address.find('%'))}; // without the zone
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) {
    return text;
  }
  constexpr std::array<unsigned char, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  std::array<char, INET6_ADDRSTRLEN> out{};
  if (std::equal(mapped.begin(), mapped.end(), bytes.begin())) {
    ::inet_ntop(AF_INET, bytes.data() + mapped.size(), out.data(), out.size());
    return out.data();
  }
  std::fill(bytes.begin() + 8, bytes.end(), static_cast<unsigned char>(0));
  ::inet_ntop(AF_INET6, bytes.data(), out.data(), out.size());
  return std::string{out.data()} + "/64";
}

} // namespace tayfa::access
