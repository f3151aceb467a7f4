#include "actors/sim/openai_readers.hpp"

#include <boost/json.hpp>

namespace tayfa::sim {

/// Something that a reader does at its time, unless its call has ended before.
struct reader_turn {
  enum class what : std::uint8_t { begin, pull, leave, too_late };
  std::uint32_t call = 0;
  what act = what::begin;
};
struct reader_answer {
  std::uint32_t call = 0;
  api::response response{};
};

} // namespace tayfa::sim

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::reader_turn)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tayfa::sim::reader_answer)

namespace tayfa::sim {

namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
namespace json = boost::json;

/// A call ends with its job: http.openai_wait, and some time for the answer.
constexpr milliseconds call_most = 11min;

class openai_reader : public caf::event_based_actor {
 public:
  openai_reader(caf::actor_config& cfg, sim_gateway& gateway, random_source& random,
                const reader_options& options, std::string who,
                std::shared_ptr<reader_faults> faults)
      : caf::event_based_actor(cfg), gateway_(gateway), random_(random), options_(options),
        who_(std::move(who)), faults_(std::move(faults)) {}

  const char* name() const override { return "sim_openai_reader"; }
  void on_exit() override { end_call(); }

  caf::behavior make_behavior() override {
    later(some(0ms, 500ms), reader_turn::what::begin);
    return {[this](const reader_turn& m) { turn(m); },
            [this](const reader_answer& m) { answered(m); }};
  }

 private:
  bool happens(double share) { return share > 0 && random_.unit() < share; }
  milliseconds some(milliseconds least, milliseconds most) {
    return least + milliseconds{static_cast<std::int64_t>(
                       random_.unit() * static_cast<double>((most - least).count()))};
  }
  void later(milliseconds after, reader_turn::what act) {
    delayed_send(this, caf::timespan{after}, reader_turn{call_, act});
  }
  void fault(const std::string& words) {
    faults_->push_back(who_ + ", call " + std::to_string(call_) + ": " + words);
  }

  void turn(const reader_turn& m) {
    if (m.call != call_) {
      return;
    }
    switch (m.act) {
    case reader_turn::what::begin: begin(); break;
    case reader_turn::what::pull: pull(); break;
    case reader_turn::what::leave: leave(); break;
    case reader_turn::what::too_late: fault("it has no end"); break;
    }
  }

  /// An event of the stream, as worker-vllm writes it.
  std::string event(std::size_t number) const {
    return "data: {\"w\":\"" + who_ + "-" + std::to_string(call_) + "-" + std::to_string(number) +
           "\"}\n\n";
  }

  void begin() {
    ++call_;
    streams_ = happens(0.7);
    text_.clear();
    expected_.clear();
    json::object asked{{"model", "m"}, {"stream", streams_}, {"mock_delay", random_.unit() * 0.3}};
    if (streams_) {
      json::array chunks;
      const auto events = 1 + random_.next() % 20;
      for (std::size_t i = 0; i < events; ++i) {
        expected_ += event(i);
      }
      const std::string whole = expected_ + "data: [DONE]\n\n";
      for (std::size_t at = 0; at < whole.size();) { // cut anywhere
        const auto size = 1 + random_.next() % 120;
        chunks.emplace_back(whole.substr(at, size));
        at += size;
      }
      asked["mock_stream"] = std::move(chunks);
      expected_ = whole;
    } else {
      const json::object value{{"w", who_ + "-" + std::to_string(call_)}};
      asked["mock_return"] = value;
      expected_ = json::serialize(value);
    }
    auto parsed = api::parse(api::request{"POST", "/v2/tayfa/openai/v1/chat/completions",
                                          "application/json", json::serialize(asked)},
                             api::limits{});
    if (!parsed) {
      fault("it is refused: " + parsed.error().body);
      return;
    }
    client_ = std::make_shared<presence>();
    auto me = caf::actor_cast<caf::strong_actor_ptr>(this);
    gateway_.call(
        std::move(*parsed),
        std::make_shared<reply>(
            [me, call = call_](api::response r, receipt left) {
              caf::anon_send(caf::actor_cast<caf::actor>(me), reader_answer{call, std::move(r)});
              left.say(true);
            },
            client_));
    if (happens(options_.leaves)) {
      later(some(0ms, 4s), reader_turn::what::leave);
    }
    later(call_most, reader_turn::what::too_late);
  }

  void answered(const reader_answer& m) {
    if (m.call != call_ || !client_) {
      return; // it has left; the body goes with the answer
    }
    if (!m.response.stream) {
      text_ = m.response.whole_body();
      judge(m.response.status);
      return;
    }
    body_ = m.response.stream;
    slow_ = happens(options_.slow);
    auto me = caf::actor_cast<caf::strong_actor_ptr>(this);
    body_->on_more([weak = caf::actor_cast<caf::weak_actor_ptr>(me), call = call_] {
      if (const auto strong = weak.lock()) {
        caf::anon_send(caf::actor_cast<caf::actor>(strong),
                       reader_turn{call, reader_turn::what::pull});
      }
    });
    pull();
  }

  void pull() {
    if (!body_) {
      return;
    }
    const auto piece = body_->next(1 + random_.next() % 400);
    text_ += piece.text;
    if (piece.ended) {
      judge(200);
    } else if (!piece.text.empty()) {
      later(slow_ ? some(1s, 20s) : 1ms, reader_turn::what::pull);
    }
  }

  /// The answer is complete, or says that it is not.
  void judge(unsigned status) {
    end_call();
    if (status == 200 && text_ != expected_) {
      const auto last = text_.rfind("data: {\"error\":");
      const bool broke = streams_ && last != std::string::npos;
      if (!broke || !expected_.starts_with(std::string_view{text_}.substr(0, last))) {
        fault("it reads something else: " + text_);
      } else if (options_.quiet && text_.find("\"stopping\"", last) == std::string::npos) {
        fault("it ends with " + text_.substr(last));
      }
    } else if (status != 200 && !text_.starts_with(R"({"error":)")) {
      fault("a refusal that says nothing: " + text_);
    } else if (status != 200 && status != 503 && options_.quiet) {
      fault("it is refused: " + text_);
    }
    later(some(0ms, 2s), reader_turn::what::begin);
  }

  void leave() {
    const auto client = client_;
    end_call();
    if (client) {
      client->left();
      later(some(0ms, 2s), reader_turn::what::begin);
    }
  }

  void end_call() {
    client_.reset();
    body_.reset();
  }

  sim_gateway& gateway_;
  random_source& random_;
  const reader_options options_;
  const std::string who_;
  const std::shared_ptr<reader_faults> faults_;
  std::uint32_t call_ = 0;
  bool streams_ = false;
  bool slow_ = false;
  std::string expected_;
  std::string text_;
  std::shared_ptr<presence> client_; ///< while the call is open
  std::shared_ptr<api::body_source> body_;
};

} // namespace

std::vector<caf::actor> spawn_openai_readers(caf::actor_system& system, sim_gateway& gateway,
                                             random_source& random, const reader_options& options,
                                             std::shared_ptr<reader_faults> faults) {
  std::vector<caf::actor> readers;
  for (std::uint32_t i = 0; i < options.readers; ++i) {
    readers.push_back(
        system.spawn<openai_reader>(gateway, random, options, "r" + std::to_string(i), faults));
  }
  return readers;
}

} // namespace tayfa::sim
