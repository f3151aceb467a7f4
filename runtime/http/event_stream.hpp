// GET /events: the feed as server-sent events (HTML Living Standard, 9.2), for one client.
#pragma once

#include "runtime/api/call.hpp"
#include "runtime/telemetry/feed.hpp"

#include <string>

namespace tayfa {

/// An event as text. Pure; no content can make one event look like two.
std::string event_text(const feed_event&);
/// The text that stands for dropped events; empty when none were dropped.
std::string missed_text(const event_feed::page&);

/// The answer to `events`. It starts after `asked.after`, or with events from this call on. The
/// feed must outlive the answer.
api::response event_stream(event_feed&, const api::events& asked);

} // namespace tayfa
