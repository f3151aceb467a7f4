#include "runtime/api/route.hpp"

#include "runtime/api/method.hpp"
#include "runtime/api/openai.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/worker_query.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace tayfa::api {

namespace {

constexpr std::size_t ignored_body_bytes = 4096;

/// `OPTIONS *`: not in the table, since no other method has it.
constexpr route_spec whole_server{"*",         route_kind::ping, scope::open, false,
                                  "GET, POST", body_rule::none,  "*"};

struct target_parts {
  std::vector<std::string> segments; ///< decoded, after the path was cut at its slashes
  std::vector<std::string_view> raw; ///< likewise, each up to the end of the path, as it was sent
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
  // Exceeds the longest route by one, so that longer paths are recognized. {openai} splits its
  // longer paths itself.
  constexpr std::size_t segments_max = 6;
  while (parts.segments.size() < segments_max) {
    const std::size_t slash = path.find('/');
    auto segment = percent_decoded(path.substr(0, slash));
    if (!segment) {
      return std::nullopt;
    }
    parts.segments.push_back(std::move(*segment));
    parts.raw.push_back(path);
    if (slash == std::string_view::npos) {
      break;
    }
    path.remove_prefix(slash + 1);
  }
  return parts;
}

response not_found(std::string text) {
  return refuse({errc::not_found, std::move(text)});
}

/// Takes the first segment off a row's path.
std::string_view next_part(std::string_view& path) {
  const std::size_t slash = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return part;
}

constexpr std::string_view openai_part = "{openai}";

bool is_parameter(std::string_view part) {
  return part.starts_with('{');
}

bool matches(std::string_view path, std::span<const std::string> names) {
  for (const auto& name : names) {
    const std::string_view part = next_part(path);
    if (part == openai_part) {
      return true;
    }
    if (part.empty() || (!is_parameter(part) && part != name)) {
      return false;
    }
  }
  return path.empty();
}

bool is_visible(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

result<void> take_parameters(std::string_view path, std::span<const std::string> names,
                             std::span<const std::string_view> raw, route& found) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const auto& name = names[i];
    const std::string_view part = next_part(path);
    if (part == openai_part) {
      auto target = openai_route_of(raw[i]);
      return target ? (found.openai_route = std::move(*target), result<void>{})
                    : fail(target.error());
    }
    if (part == "{id}") {
      auto id = job_id::parse(name);
      if (!id) {
        return fail(errc::job_not_found);
      }
      found.id = std::move(*id);
    } else if (part == "{slot}") {
      const auto slot = whole_number(name, slots_max - 1);
      if (!slot) {
        return fail(errc::not_found, "no such slot");
      }
      found.slot = slot_id{static_cast<std::uint32_t>(*slot)};
    } else if (part == "{count}") {
      const auto count = whole_number(name, slots_max);
      if (!count) {
        return fail(errc::bad_request,
                    "the number of slots must be from 0 to " + std::to_string(slots_max));
      }
      found.count = static_cast<std::uint32_t>(*count);
    } else if (part == "{worker}") {
      if (!is_worker_name(name)) {
        // Not 400, which RunPod's SDK takes for "no job" and says nothing about.
        return fail(errc::not_found, "a worker's name is 1 to 128 characters of [A-Za-z0-9._-]");
      }
      found.worker = name;
    } else if (part == "{job}") {
      if (!is_worker_job(name)) {
        return fail(errc::job_not_found);
      }
      found.job = name;
    } else if (part == "{pod}") {
      if (name.size() > pod_text_max || !is_visible(name)) {
        return fail(errc::not_found, "no such pod");
      }
      found.pod = name;
    }
  }
  return {};
}

result<void> take_event_items(const std::vector<query_item>& items, route& found) {
  for (const auto& item : items) {
    if (item.name == "job") {
      auto id = job_id::parse(item.value);
      if (!id) {
        return fail(errc::job_not_found);
      }
      found.id = std::move(*id);
    } else if (item.name == "after") {
      found.after = whole_number(item.value, std::numeric_limits<std::uint64_t>::max());
      if (!found.after) {
        return fail(errc::bad_request, "after must be the number of an event");
      }
    }
  }
  return {};
}

constexpr std::size_t address_most = 260;

std::optional<pod_drain> drain_of(std::string_view mode) {
  return mode == "graceful" ? std::optional{pod_drain::graceful}
         : mode == "quick"  ? std::optional{pod_drain::quick}
         : mode == "fast"   ? std::optional{pod_drain::fast}
                            : std::nullopt;
}

result<void> take_address_list(std::string_view list, route& found) {
  while (!list.empty()) {
    const auto one = list.substr(0, list.find(','));
    if (one.size() > address_most || !is_visible(one)) {
      return fail(errc::bad_request, "address must be HOST:PORT, or some of them between commas");
    }
    found.addresses.emplace_back(one);
    list.remove_prefix(std::min(one.size() + 1, list.size()));
  }
  return {};
}

/// ?mode= of a drain, ?name= of a pod that is trusted, ?address= and ?minutes= of a join string.
result<void> take_pod_items(const std::vector<query_item>& items, route& found) {
  for (const auto& item : items) {
    if (item.name == "mode") {
      const auto mode = drain_of(item.value);
      if (!mode) {
        return fail(errc::bad_request, "mode must be graceful, quick or fast");
      }
      found.drain = *mode;
    } else if (item.name == "name") {
      if (!is_name(item.value) || item.value.size() > pod_text_max) {
        return fail(errc::bad_request,
                    "name must be 1 to 64 characters of letters, digits, '.', '_' and '-'");
      }
      found.name = item.value;
    } else if (item.name == "address") {
      if (auto taken = take_address_list(item.value, found); !taken) {
        return taken;
      }
    } else if (item.name == "minutes") {
      const auto minutes = whole_number(item.value, token_minutes_max);
      if (!minutes || *minutes == 0) {
        return fail(errc::bad_request,
                    "minutes must be from 1 to " + std::to_string(token_minutes_max));
      }
      found.minutes = static_cast<std::uint32_t>(*minutes);
    }
  }
  return {};
}

/// The words about one job: ?ttl= of its result, ?wait= of who asks.
result<void> take_job_words(route_kind of, std::string_view query, const limits& bounds,
                            route& found) {
  if (of != route_kind::stream) {
    const auto keep = keep_of(query);
    if (!keep) {
      return fail(keep.error());
    }
    found.keep = *keep;
  }
  if (of == route_kind::status) {
    return {};
  }
  const auto items = named_items(query, {"wait"});
  const auto wait = items ? wait_of(*items, bounds.runsync_wait) : fail(items.error());
  if (!wait) {
    return fail(wait.error());
  }
  found.wait = *wait;
  if (!items->empty()) {
    found.hold = *wait;
  }
  return {};
}

result<void> take_query(const route_spec& shape, std::string_view query, const limits& bounds,
                        route& found) {
  if (shape.needs == scope::worker) {
    auto words = worker_words_of(query);
    return words ? (found.words = std::move(*words), result<void>{}) : fail(words.error());
  }
  if (shape.kind == route_kind::status || shape.kind == route_kind::status_sync ||
      shape.kind == route_kind::stream) {
    return take_job_words(shape.kind, query, bounds, found);
  }
  // Queries that the pod does not read may hold anything, broken escapes included, since RunPod's
  // clients add parameters.
  if (shape.query == "*" && shape.kind != route_kind::runsync) {
    return {};
  }
  const auto items = query_items(query, shape.query);
  if (!items) {
    return fail(items.error());
  }
  if (shape.kind == route_kind::runsync) {
    const auto wait = wait_of(*items, bounds.runsync_wait);
    return wait ? (found.wait = *wait, result<void>{}) : fail(wait.error());
  }
  if (shape.kind == route_kind::pods) {
    return take_pod_items(*items, found);
  }
  if (shape.kind == route_kind::events) {
    return take_event_items(*items, found);
  }
  if (shape.kind == route_kind::jobs || shape.kind == route_kind::dead ||
      shape.kind == route_kind::requests) {
    auto filter = filter_of(*items);
    if (!filter) {
      return fail(filter.error());
    }
    found.filter = std::move(*filter);
    found.filter.dead = shape.kind == route_kind::dead;
  }
  return {};
}

/// HEALTH_CHECK_PATH may be any path. Where it is one of our routes, its setter means /ping.
bool is_health_path(std::string_view method, std::string_view target, const limits& bounds) {
  return (method == "GET" || method == "HEAD") &&
         target.substr(0, target.find('?')) == bounds.health_path;
}

const route_spec* row_of(std::span<const std::string> names, bool prefixed) {
  const auto table = routes();
  const auto shape =
      std::find_if(table.begin(), table.end(), [names, prefixed](const route_spec& each) {
        return matches(each.path, names) && (each.prefixed || !prefixed);
      });
  return shape == table.end() ? nullptr : &*shape;
}

} // namespace

std::size_t body_bytes(body_rule body, const limits& bounds) {
  switch (body) {
  case body_rule::run: return bounds.run_body_bytes;
  case body_rule::runsync:
  case body_rule::openai: return bounds.runsync_body_bytes;
  case body_rule::result: return bounds.result_body_bytes;
  case body_rule::chunk: return bounds.chunk_body_bytes;
  case body_rule::ignored: return ignored_body_bytes;
  case body_rule::none: return 0;
  }
  return 0;
}

result<job_access> access_of(const principal& who, const route& at) {
  job_access seen;
  if (!who.is_operator) {
    seen.endpoints = who.endpoints;
    seen.tenant = who.tenant.empty() ? std::nullopt : std::optional{who.tenant};
  }
  const bool whole_endpoint = at.kind == route_kind::run || at.kind == route_kind::runsync ||
                              at.kind == route_kind::requests || at.kind == route_kind::purge ||
                              at.kind == route_kind::openai;
  if (at.prefixed || whole_endpoint) {
    const job_access of_key{seen.endpoints, std::nullopt};
    if (!of_key.covers(at.endpoint, {})) {
      return fail(errc::forbidden, "the key is for other endpoints");
    }
    seen.endpoints = {at.endpoint};
  }
  return seen;
}

tl::expected<route, response> find_route(std::string_view method, std::string_view target,
                                         const limits& bounds) {
  if (!is_known_method(method)) {
    return tl::unexpected(refuse({errc::not_implemented, {}}));
  }
  route found;
  found.endpoint = bounds.endpoints.empty() ? std::string{} : bounds.endpoints.front();
  if (method == "OPTIONS" && target == "*") {
    found.shape = &whole_server;
    return found;
  }
  const auto parts = split_target(target);
  if (!parts) {
    return tl::unexpected(refuse({errc::bad_request, "the request target is not well formed"}));
  }
  if (is_health_path(method, target, bounds)) {
    found.shape = row_of(std::array{std::string{"ping"}}, false);
    return found;
  }
  std::span<const std::string> names{parts->segments};
  std::span<const std::string_view> raw{parts->raw};
  const bool prefixed = names.size() >= 3 && names[0] == "v2";
  found.prefixed = prefixed;
  if (prefixed) {
    found.endpoint = names[1];
    names = names.subspan(2);
    raw = raw.subspan(2);
    if (std::find(bounds.endpoints.begin(), bounds.endpoints.end(), found.endpoint) ==
        bounds.endpoints.end()) {
      return tl::unexpected(not_found("no such endpoint"));
    }
  }
  const route_spec* const shape = row_of(names, prefixed);
  if (shape == nullptr) {
    return tl::unexpected(not_found("no such route"));
  }
  if (!takes(shape->methods, method)) {
    response refusal = refuse({errc::method_not_allowed, {}});
    refusal.headers.emplace_back("Allow", allowed(shape->methods));
    return tl::unexpected(std::move(refusal));
  }
  found.shape = shape;
  found.kind = shape->kind;
  if (method == "OPTIONS") {
    return found; // the request is about the route, not about its parameters
  }
  found.body = method == "POST" ? shape->body : body_rule::none;
  if (const auto taken = take_parameters(shape->path, names, raw, found); !taken) {
    return tl::unexpected(refuse(taken.error()));
  }
  if (const auto taken = take_query(*shape, parts->query, bounds, found); !taken) {
    return tl::unexpected(refuse(taken.error()));
  }
  if (method == "HEAD") {
    found.wait = milliseconds{0}; // no answer is held for a client that wants none of it
    found.hold = milliseconds{0};
  }
  return found;
}

tl::expected<route_match, response> read_head(std::string_view method, std::string_view target,
                                              const limits& bounds) {
  auto found = find_route(method, target, bounds);
  if (!found) {
    return tl::unexpected(std::move(found.error()));
  }
  // Which methods a route takes is no secret: it stands in /openapi.json.
  const scope needs = method == "OPTIONS" ? scope::open : found->shape->needs;
  route_match head{needs, found->shape->path, found->endpoint, found->worker,
                   body_bytes(found->body, bounds)};
  head.at = std::make_shared<route>(std::move(*found));
  return head;
}

} // namespace tayfa::api
