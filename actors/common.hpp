// Shared by all actors: their context, timers, moves of lifecycles, and guards against CAF's
// defaults (an unhandled exception or an unexpected message would be printed to standard output and
// lost).
#pragma once

#include "actors/behaviour.hpp"
#include "actors/environment.hpp"
#include "messages/interfaces.hpp"
#include "runtime/config/config.hpp"

#include <caf/all.hpp>
#include <exception>
#include <functional>
#include <new>
#include <string>

namespace tayfa {

/// The context given to every actor. The references outlive the actor system.
struct pod_context {
  world& outside;
  const config& knobs;
};

/// Makes an answer and sends it: 503 when there is no memory to make it.
template <class Make>
void send_made(const reply_ptr& answer, Make make) {
  try {
    answer->send(make());
  } catch (const std::bad_alloc&) {
    answer->send(api::refuse(error{errc::busy, {}}));
  }
}
/// Likewise; `received` gets whether the client's machine has all of the answer.
template <class Make>
void send_made(const reply_ptr& answer, Make make, std::function<void(bool)> received) {
  try {
    answer->send(make(), std::move(received), proof::received);
  } catch (const std::bad_alloc&) {
    answer->send(api::refuse(error{errc::busy, {}}));
  }
}

/// The end of an actor by an exception: its text is in the log.
inline caf::error actor_failed(const char* name, event_log& log, const std::exception_ptr& e) {
  std::string text = "not a std::exception";
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    text = x.what();
  } catch (...) {
  }
  log.error("actor_failed", {{"actor", name}, {"text", text}});
  return caf::make_error(caf::sec::runtime_error, text);
}

/// Exceptions end the actor with their text in the log; errors that come back to a sender never
/// kill it.
template <class Self>
void guard(Self* self, event_log& log) {
  self->set_exception_handler(
      [&log, self](caf::scheduled_actor*, std::exception_ptr& e) -> caf::error {
        return actor_failed(self->name(), log, e);
      });
  self->set_error_handler([&log, self](caf::error& e) {
    log.warn("actor_error", {{"actor", self->name()}, {"text", caf::to_string(e)}});
  });
  self->set_default_handler([&log, self](caf::scheduled_actor*,
                                         const caf::message_view& m) -> caf::result<caf::message> {
    log.warn("unexpected_message", {{"actor", self->name()}, {"types", m.content().stringify()}});
    return caf::sec::unexpected_message;
  });
}

/// Sends a timer to oneself, due when the pod has run for `delay`; never before.
template <class Self>
void send_timer(Self* self, const time_source& time, std::chrono::milliseconds delay,
                std::uint64_t ticket, std::uint32_t topic = 0) {
  const auto due = time.now() + delay;
  self->delayed_send(self, caf::timespan{delay}, timer{{ticket, topic}, due.time_since_epoch()});
}

/// Likewise, due at this moment.
template <class Self>
void send_timer_at(Self* self, const time_source& time, moment at, std::uint64_t ticket) {
  using std::chrono::milliseconds;
  const auto now = time.now();
  send_timer(self, time, at <= now ? milliseconds{0} : std::chrono::ceil<milliseconds>(at - now),
             ticket);
}

/// For what others wait for, such as a ping: it is due whenever it comes, also after a pause.
template <class Self>
void send_reminder(Self* self, const time_source& time, std::chrono::milliseconds delay,
                   std::uint64_t ticket, std::uint32_t topic = 0) {
  self->delayed_send(self, caf::timespan{delay},
                     timer{{ticket, topic}, time.now().time_since_epoch()});
}

/// The handler for timers: `serve` gets those that are due; the others are sent again for the rest
/// of their time.
template <class Self, class Serve>
auto when_due(Self* self, const time_source& time, Serve serve) {
  return [self, &time, serve = std::move(serve)](const timer& m) {
    const auto rest = m.due.count() == 0 ? m.due : time.until(moment{m.due});
    if (rest.count() > 0) {
      self->delayed_send(self, std::chrono::ceil<std::chrono::milliseconds>(rest), m);
      return;
    }
    serve(m.what);
  };
}

/// Moves a machine, writes the one log line of a lifecycle change, counts the edge and publishes
/// the event. An illegal move is a bug: it is logged as an error and changes nothing; returns
/// whether it moved.
template <class State>
bool move(machine<State>& m, State to, cause why, world& w, moment& since,
          std::initializer_list<log_field> who = {}) {
  const auto from = m.move_to(to, why);
  if (!from) {
    w.log.error("illegal_transition", {{"text", from.error().text}});
    return false;
  }
  const auto now = w.time.now();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now - since).count();
  since = now;
  w.meters.moved(*from, to, why);
  std::vector<log_field> fields{{"machine", machine_traits<State>::name}};
  fields.insert(fields.end(), who.begin(), who.end());
  fields.push_back({"from", *from});
  fields.push_back({"to", to});
  fields.push_back({"cause", why});
  fields.push_back({"ms", ms});
  constexpr auto level = machine_traits<State>::detail ? log_level::debug : log_level::info;
  if (w.log.enabled(level)) {
    w.log.write(level, "state", fields);
  }
  if (!machine_traits<State>::detail && !w.feed.idle()) {
    std::string worker;
    for (const auto& each : who) {
      const auto* const text = std::get_if<std::string>(&each.value.get());
      worker = text && each.key == "worker" ? *text : worker;
    }
    w.feed.publish(machine_traits<State>::name, worker,
                   api::lifecycle_event(machine_traits<State>::name, worker, to_string(to),
                                        to_string(*from), why, std::chrono::milliseconds{ms}));
  }
  return true;
}

} // namespace tayfa
