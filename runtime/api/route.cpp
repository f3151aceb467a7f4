#include "runtime/api/route.hpp"

#include "runtime/api/query.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace tayfa::api {

namespace {

constexpr std::size_t ignored_body_bytes = 4096;

constexpr std::string_view list_query = "state tenant model limit after";

constexpr std::array shapes{
    route_shape{"run", route_kind::run, true, "POST", body_rule::run, "*"},
    route_shape{"runsync", route_kind::runsync, true, "POST", body_rule::runsync, "*"},
    route_shape{"status/{id}", route_kind::status, true, "GET, POST", body_rule::ignored, "*"},
    route_shape{"stream/{id}", route_kind::stream, true, "GET, POST", body_rule::ignored, "*"},
    route_shape{"cancel/{id}", route_kind::cancel, true, "POST", body_rule::ignored, "*"},
    route_shape{"retry/{id}", route_kind::retry, true, "POST", body_rule::ignored, "*"},
    route_shape{"purge-queue", route_kind::purge, true, "POST", body_rule::ignored, "*"},
    route_shape{"health", route_kind::health, true, "GET", body_rule::none, "*"},
    route_shape{"drop/{id}", route_kind::drop, true, "POST", body_rule::ignored, ""},
    route_shape{"jobs", route_kind::jobs, true, "GET", body_rule::none, list_query},
    route_shape{"jobs/{id}", route_kind::inspect, true, "GET", body_rule::none, ""},
    route_shape{"dead", route_kind::dead, true, "GET", body_rule::none, list_query},
    route_shape{"events", route_kind::events, true, "GET, HEAD", body_rule::none, "job after"},
    route_shape{"slots", route_kind::slots, false, "GET", body_rule::none, ""},
    route_shape{"slots/{slot}/drain", route_kind::drain, false, "POST", body_rule::ignored, ""},
    route_shape{"slots/{slot}/undrain", route_kind::undrain, false, "POST", body_rule::ignored, ""},
    route_shape{"slots/count/{count}", route_kind::resize, false, "POST", body_rule::ignored, ""},
    route_shape{"ping", route_kind::ping, false, "GET, HEAD", body_rule::none, "*"},
    route_shape{"metrics", route_kind::metrics, false, "GET", body_rule::none, "*"},
};

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

response not_found(std::string text) {
  return refuse({errc::not_found, std::move(text)});
}

bool takes(const route_shape& shape, std::string_view method) {
  std::string_view list = shape.methods;
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(", "), list.size());
    if (list.substr(0, end) == method) {
      return true;
    }
    list.remove_prefix(std::min(end + 2, list.size()));
  }
  return false;
}

/// Takes the first segment off a row's path.
std::string_view next_part(std::string_view& path) {
  const std::size_t slash = std::min(path.find('/'), path.size());
  const std::string_view part = path.substr(0, slash);
  path.remove_prefix(std::min(slash + 1, path.size()));
  return part;
}

bool is_parameter(std::string_view part) {
  return part.starts_with('{');
}

bool matches(std::string_view path, std::span<const std::string> names) {
  for (const auto& name : names) {
    const std::string_view part = next_part(path);
    if (part.empty() || (!is_parameter(part) && part != name)) {
      return false;
    }
  }
  return path.empty();
}

result<void> take_parameters(std::string_view path, std::span<const std::string> names,
                             route& found) {
  for (const auto& name : names) {
    const std::string_view part = next_part(path);
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

result<void> take_query(const route_shape& shape, std::string_view query, const limits& bounds,
                        route& found) {
  // RunPod's clients may add what they like, broken escapes included, where nobody reads it.
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
  if (shape.kind == route_kind::events) {
    return take_event_items(*items, found);
  }
  if (shape.kind == route_kind::jobs || shape.kind == route_kind::dead) {
    auto filter = filter_of(*items);
    if (!filter) {
      return fail(filter.error());
    }
    found.filter = std::move(*filter);
    found.filter.dead = shape.kind == route_kind::dead;
  }
  return {};
}

} // namespace

std::span<const route_shape> routes() {
  return shapes;
}

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
  const auto* const shape =
      std::find_if(shapes.begin(), shapes.end(), [names, prefixed](const route_shape& each) {
        return matches(each.path, names) && (each.prefixed || !prefixed);
      });
  if (shape == shapes.end()) {
    return tl::unexpected(not_found("no such route"));
  }
  if (!takes(*shape, method)) {
    response refusal = refuse({errc::method_not_allowed, {}});
    refusal.headers.emplace_back("Allow", shape->methods);
    return tl::unexpected(std::move(refusal));
  }
  found.kind = shape->kind;
  found.body = method == "POST" ? shape->body : body_rule::none;
  if (const auto taken = take_parameters(shape->path, names, found); !taken) {
    return tl::unexpected(refuse(taken.error()));
  }
  if (const auto taken = take_query(*shape, parts->query, bounds, found); !taken) {
    return tl::unexpected(refuse(taken.error()));
  }
  return found;
}

std::size_t body_limit(std::string_view method, std::string_view target, const limits& bounds) {
  const auto found = find_route(method, target, bounds);
  if (!found) {
    return 0;
  }
  switch (found->body) {
  case body_rule::run: return bounds.run_body_bytes;
  case body_rule::runsync: return bounds.runsync_body_bytes;
  case body_rule::ignored: return ignored_body_bytes;
  case body_rule::none: return 0;
  }
  return 0;
}

std::optional<response> refuse_head(std::string_view method, std::string_view target,
                                    const limits& bounds) {
  auto found = find_route(method, target, bounds);
  return found ? std::nullopt : std::optional{std::move(found.error())};
}

} // namespace tayfa::api
