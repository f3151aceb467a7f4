#include "runtime/http/event_stream.hpp"

#include <algorithm>
#include <utility>

namespace tayfa {

namespace {

/// Delay before a browser reconnects.
constexpr std::string_view come_back = "retry: 1000\n";
/// Events taken from the feed at a time, so that few are buffered here.
constexpr std::size_t page_events = 8;

bool ends_line(char c) {
  return c == '\n' || c == '\r';
}

void append_field(std::string& out, std::string_view name, std::string_view value) {
  do {
    const auto* const end = std::find_if(value.begin(), value.end(), ends_line);
    const auto size = static_cast<std::size_t>(end - value.begin());
    out.append(name).append(": ").append(value.substr(0, size)) += '\n';
    value.remove_prefix(std::min(size + 1, value.size()));
  } while (!value.empty());
}

class feed_source final : public api::body_source {
 public:
  feed_source(event_feed& feed, const api::events& asked)
      : feed_(feed), wanted_{asked.job.str(), asked.who.endpoints} {
    feed_.stay_awake();
    seen_ = asked.after.value_or(feed_.last());
    if (seen_ == 0) {
      seen_ = feed_.base(); // a client that asks for everything has not seen another runtime's
                            // events
    }
    // With the id, a browser that loses the connection before its first event resumes here and
    // misses nothing; the block makes proxies forward the head.
    opening_.append(come_back);
    if (!asked.after) {
      append_field(opening_, "id", std::to_string(seen_));
    }
    opening_ += '\n';
  }
  ~feed_source() override {
    if (ticket_) {
      feed_.unwatch(*ticket_);
    }
  }

  void on_more(std::function<void()> wake) override { ticket_ = feed_.watch(std::move(wake)); }

  piece next(std::size_t room) override {
    piece found{std::exchange(opening_, {}), false};
    while (found.text.size() < room) {
      const auto page = feed_.after(seen_, wanted_, page_events);
      found.text += missed_text(page);
      for (const auto& event : page.events) {
        found.text += event_text(event);
      }
      seen_ = page.last;
      if (page.events.size() < page_events) {
        break;
      }
    }
    return found;
  }

  std::string_view heartbeat() const override { return ":\n\n"; }

 private:
  event_feed& feed_;
  event_feed::interest wanted_;
  std::uint64_t seen_ = 0;
  std::string opening_;
  std::optional<std::uint64_t> ticket_;
};

} // namespace

std::string event_text(const feed_event& event) {
  std::string out;
  out.reserve(event.data.size() + 64);
  append_field(out, "id", std::to_string(event.number));
  append_field(out, "event", event.kind);
  append_field(out, "data", event.data);
  return out += '\n';
}

std::string missed_text(const event_feed::page& page) {
  if (!page.restarted && page.missed == 0) {
    return {};
  }
  std::string out;
  append_field(out, "event", "missed");
  append_field(out, "data",
               R"({"missed":)" + (page.restarted ? "null" : std::to_string(page.missed)) + '}');
  return out += '\n';
}

api::response event_stream(event_feed& feed, const api::events& asked) {
  api::response answer;
  answer.content_type = "text/event-stream";
  answer.headers.emplace_back("X-Accel-Buffering", "no"); // stops nginx from buffering events
  answer.stream = std::make_shared<feed_source>(feed, asked);
  return answer;
}

} // namespace tayfa
