// GET /events: the feed as server-sent events (HTML Living Standard, 9.2), for one watcher.
//
//   id: 41
//   event: job
//   data: {"id":"…","status":"COMPLETED"}
//
// A watcher that was too slow, or away for too long, gets `event: missed` first, with how many
// events it did not see: {"missed":12}; {"missed":null} when it last saw another runtime's.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/telemetry/feed.hpp"

#include <string>

namespace tayfa {

/// One event as text. Pure; no event, whatever is in it, can look like two.
std::string event_text(const feed_event&);
/// What stands for the events that are gone, or nothing when none are.
std::string missed_text(const event_feed::page&);

/// The answer to `events`. It begins behind `asked.after`, or with what happens from this call on.
/// The feed must outlive the answer.
api::response event_stream(event_feed&, const api::events& asked);

} // namespace tayfa
