#include "runtime/api/route.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace tayfa::api {

namespace {

constexpr milliseconds wait_min{1'000};
constexpr milliseconds wait_max{300'000};
/// Some clients send `{}` with a cancel or a POST status; it is taken and not read.
constexpr std::size_t ignored_body_bytes = 4096;

struct shape {
  std::string_view name;
  route_kind kind;
  bool prefixed; ///< also lives under /v2/{endpoint}
  bool with_id;
  bool get;
  bool post;
  bool head;
  std::string_view allow;
};

constexpr std::array shapes{
    shape{"run", route_kind::run, true, false, false, true, false, "POST"},
    shape{"runsync", route_kind::runsync, true, false, false, true, false, "POST"},
    shape{"status", route_kind::status, true, true, true, true, false, "GET, POST"},
    shape{"stream", route_kind::stream, true, true, true, true, false, "GET, POST"},
    shape{"cancel", route_kind::cancel, true, true, false, true, false, "POST"},
    shape{"health", route_kind::health, true, false, true, false, false, "GET"},
    shape{"ping", route_kind::ping, false, false, true, false, true, "GET, HEAD"},
    shape{"metrics", route_kind::metrics, false, false, true, false, false, "GET"},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  if (c >= 'a' && c <= 'f') {
    return c - 'a' + 10;
  }
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/// Every escape must be whole; what it says is judged by who uses the text.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) {
      return std::nullopt;
    }
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

struct target_parts {
  std::vector<std::string> segments; ///< decoded, after the path was cut at its slashes
  std::string_view query;
};

std::optional<target_parts> split_target(std::string_view target) {
  const auto visible = [](char c) { return c > 0x20 && c < 0x7F && c != '#'; };
  if (target.empty() || target.front() != '/' ||
      !std::all_of(target.begin(), target.end(), visible)) {
    return std::nullopt;
  }
  target_parts parts;
  const std::size_t mark = target.find('?');
  std::string_view path = target.substr(1, mark == std::string_view::npos ? mark : mark - 1);
  if (mark != std::string_view::npos) {
    parts.query = target.substr(mark + 1);
  }
  constexpr std::size_t segments_max =
      5; // one more than the longest route, so that longer ones are seen
  while (parts.segments.size() < segments_max) {
    const std::size_t slash = path.find('/');
    auto segment = percent_decoded(path.substr(0, slash));
    if (!segment) {
      return std::nullopt;
    }
    parts.segments.push_back(std::move(*segment));
    if (slash == std::string_view::npos) {
      break;
    }
    path.remove_prefix(slash + 1);
  }
  return parts;
}

/// ?wait= in milliseconds; other parameters are not for us.
result<milliseconds> wait_of(std::string_view query, milliseconds otherwise) {
  std::optional<milliseconds> wait;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const auto item = percent_decoded(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
    if (!item) {
      return fail(errc::bad_request, "a broken percent escape in the query");
    }
    constexpr std::string_view name = "wait=";
    if (!item->starts_with(name)) {
      continue;
    }
    std::int64_t number = 0;
    const char* const last = item->data() + item->size();
    const auto [rest, ec] = std::from_chars(item->data() + name.size(), last, number);
    if (wait || ec != std::errc{} || rest != last || number < wait_min.count() ||
        number > wait_max.count()) {
      return fail(errc::bad_request, "wait must be given once, from 1000 to 300000 milliseconds");
    }
    wait = milliseconds{number};
  }
  return wait.value_or(otherwise);
}

response not_found(std::string text) {
  return refuse({errc::not_found, std::move(text)});
}

bool takes(const shape& s, std::string_view method) {
  return (s.get && method == "GET") || (s.post && method == "POST") || (s.head && method == "HEAD");
}

} // namespace

tl::expected<route, response> find_route(std::string_view method, std::string_view target,
                                         const limits& bounds) {
  const auto parts = split_target(target);
  if (!parts) {
    return tl::unexpected(refuse({errc::bad_request, "the request target is not well formed"}));
  }
  std::span<const std::string> names{parts->segments};
  const bool prefixed = names.size() >= 3 && names[0] == "v2";
  route found;
  if (prefixed) {
    found.endpoint = names[1];
    names = names.subspan(2);
    if (std::find(bounds.endpoints.begin(), bounds.endpoints.end(), found.endpoint) ==
        bounds.endpoints.end()) {
      return tl::unexpected(not_found("no such endpoint"));
    }
  } else if (!bounds.endpoints.empty()) {
    found.endpoint = bounds.endpoints.front();
  }
  const auto s = std::find_if(shapes.begin(), shapes.end(), [names, prefixed](const shape& each) {
    return each.name == names.front() && names.size() == (each.with_id ? 2U : 1U) &&
           (each.prefixed || !prefixed);
  });
  if (s == shapes.end()) {
    return tl::unexpected(not_found("no such route"));
  }
  if (!takes(*s, method)) {
    response refusal = refuse({errc::method_not_allowed, {}});
    refusal.headers.emplace_back("Allow", s->allow);
    return tl::unexpected(std::move(refusal));
  }
  found.kind = s->kind;
  if (s->with_id) {
    auto id = job_id::parse(names[1]);
    if (!id) {
      return tl::unexpected(refuse({errc::job_not_found, {}}));
    }
    found.id = std::move(*id);
  }
  if (found.kind == route_kind::runsync) {
    const auto wait = wait_of(parts->query, bounds.runsync_wait);
    if (!wait) {
      return tl::unexpected(refuse(wait.error()));
    }
    found.wait = *wait;
  }
  return found;
}

std::size_t body_limit(std::string_view method, std::string_view target, const limits& bounds) {
  const auto found = find_route(method, target, bounds);
  if (!found) {
    return 0;
  }
  switch (found->kind) {
  case route_kind::run: return bounds.run_body_bytes;
  case route_kind::runsync: return bounds.runsync_body_bytes;
  case route_kind::status:
  case route_kind::stream:
  case route_kind::cancel: return method == "POST" ? ignored_body_bytes : 0;
  case route_kind::health:
  case route_kind::ping:
  case route_kind::metrics: return 0;
  }
  return 0;
}

std::optional<response> refuse_head(std::string_view method, std::string_view target,
                                    const limits& bounds) {
  auto found = find_route(method, target, bounds);
  return found ? std::nullopt : std::optional{std::move(found.error())};
}

} // namespace tayfa::api
