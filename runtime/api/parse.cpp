#include "runtime/api/call.hpp"
#include "runtime/api/method.hpp"
#include "runtime/api/openai.hpp"
#include "runtime/api/query.hpp"
#include "runtime/api/route.hpp"
#include "runtime/api/submit.hpp"
#include "runtime/api/worker_body.hpp"
#include "runtime/base/plain_text.hpp"

#include <limits>

namespace tayfa::api {

namespace {

/// A browser's EventSource sends the header when it comes back, with the address it began with: the
/// header is the newer one.
tl::expected<call, response> parse_events(const request& asked, route&& at, job_access who) {
  events found{std::move(who), std::move(at.id), at.after};
  if (!asked.last_event_id.empty()) {
    found.after = whole_number(asked.last_event_id, std::numeric_limits<std::uint64_t>::max());
    if (!found.after) {
      return tl::unexpected(
          refuse({errc::bad_request, "Last-Event-ID must be the number of an event"}));
    }
  }
  return found;
}

worker_place place_of(const principal& who, route& at) {
  return {std::move(at.endpoint), std::move(at.worker), std::move(at.words.device), who.name,
          who.is_operator};
}

call parse_worker(request&& asked, route&& at) {
  worker_words& said = at.words;
  auto from = place_of(asked.who, at);
  switch (at.body) {
  case body_rule::result:
    return read_result(std::move(asked.body), {.from = std::move(from),
                                               .job = std::move(at.job),
                                               .output = {},
                                               .error = {},
                                               .is_stream = said.is_stream});
  case body_rule::chunk:
    return read_chunk(std::move(asked.body), std::move(from), std::move(at.job));
  case body_rule::none:
  case body_rule::ignored:
  case body_rule::run:
  case body_rule::runsync:
  case body_rule::openai: break;
  }
  if (at.kind == route_kind::poll_stops) {
    return poll_stops{std::move(from)};
  }
  if (at.kind == route_kind::worker_ping) {
    return worker_ping{std::move(from), std::move(said.jobs), std::move(said.version),
                       std::move(said.unfit)};
  }
  return take_jobs{std::move(from), said.wanted, at.kind == route_kind::take_batch,
                   said.in_progress};
}

/// The answer of the route alone, without a call: to OPTIONS; and HEAD where a GET gives something
/// to a worker, or notes that it was there. That is answered as if there were nothing to give,
/// since what HEAD took would be lost.
std::optional<response> answer_of_route(std::string_view method, const route& at) {
  if (method == "OPTIONS") {
    response says;
    says.status = 204;
    says.headers.emplace_back("Allow", allowed(at.shape->methods));
    return says;
  }
  if (method != "HEAD" || at.shape->needs != scope::worker) {
    return std::nullopt;
  }
  return at.kind == route_kind::worker_ping ? noted() : stops({});
}

} // namespace

tl::expected<call, response> parse(request asked, const limits& bounds) {
  auto at = find_route(asked.method, asked.target, bounds);
  if (!at) {
    return tl::unexpected(std::move(at.error()));
  }
  return parse(std::move(asked), std::move(*at), bounds);
}

tl::expected<call, response> parse(request asked, route&& at, const limits& bounds) {
  if (auto says = answer_of_route(asked.method, at)) {
    return tl::unexpected(std::move(*says));
  }
  auto who = access_of(asked.who, at);
  if (!who) {
    return tl::unexpected(refuse(who.error()));
  }
  if (asked.body.starts_with(text::byte_order_mark)) {
    asked.body.erase(0, text::byte_order_mark.size());
  }
  if (at.shape->make != nullptr) {
    at.caller = asked.who.name;
    return at.shape->make(at, std::move(*who));
  }
  switch (at.kind) {
  case route_kind::run:
  case route_kind::runsync:
    return parse_submit(std::move(asked), std::move(at), std::move(*who), bounds);
  case route_kind::openai:
    return parse_openai(std::move(asked), std::move(at), std::move(*who), bounds);
  case route_kind::status: return status{{std::move(*who), std::move(at.id), at.keep}, {}};
  case route_kind::status_sync:
    return status{{std::move(*who), std::move(at.id), at.keep}, at.wait};
  case route_kind::stream: return stream{{std::move(*who), std::move(at.id)}, at.hold};
  case route_kind::events: return parse_events(asked, std::move(at), std::move(*who));
  case route_kind::take:
  case route_kind::take_batch:
  case route_kind::poll_stops:
  case route_kind::worker_ping:
  case route_kind::worker_done:
  case route_kind::worker_chunk: return parse_worker(std::move(asked), std::move(at));
  case route_kind::passed:
  case route_kind::purge:
  case route_kind::jobs:
  case route_kind::dead:
  case route_kind::requests:
  case route_kind::health:
  case route_kind::pods:
  case route_kind::ping: break; // by their rows
  }
  return tl::unexpected(refuse({errc::internal, {}}));
}

std::optional<call> result_lost(route&& at, const principal& who, const limits& bounds) {
  if (at.body != body_rule::result) {
    return std::nullopt;
  }
  return worker_result{.from = place_of(who, at),
                       .job = std::move(at.job),
                       .kind = worker_result::what::failed,
                       .output = {},
                       .error = "the worker sent a result that is larger than " +
                                std::to_string(bounds.result_body_bytes) + " bytes",
                       .is_stream = at.words.is_stream};
}

} // namespace tayfa::api
