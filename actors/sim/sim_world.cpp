#include "actors/sim/sim_world.hpp"

#include <algorithm>

namespace tayfa::sim {

void observed_log::write(log_level level, std::string_view event,
                         std::span<const log_field> fields) {
  lines_.write(level, event, fields);
  if (event != "state" || !observer_) {
    return;
  }
  const auto text = [&](std::string_view key) -> std::string_view {
    for (const auto& f : fields) {
      if (f.key == key) {
        if (const auto* view = std::get_if<std::string_view>(&f.value.get())) {
          return *view;
        }
        if (const auto* owned = std::get_if<std::string>(&f.value.get())) {
          return *owned;
        }
      }
    }
    return {};
  };
  observer_(text("machine"), text("to"), text("worker"));
}

void sim_gateway::open(call_sink sink, std::function<void(result<std::string>)> done) {
  if (port_in_use) {
    done(fail(errc::port_in_use, "sim:8000"));
    return;
  }
  if (silent) {
    return;
  }
  sink_ = std::move(sink);
  done(std::string{"sim:8000"});
}

void sim_gateway::close(std::function<void()> done) {
  sink_ = nullptr;
  done();
}

void sim_gateway::go_on(random_source& random) {
  stopped_ = false;
  auto unread = std::exchange(unread_, {});
  while (!unread.empty()) {
    const auto i = static_cast<std::ptrdiff_t>(random.next() % unread.size());
    call(std::move(unread[static_cast<std::size_t>(i)].first),
         std::move(unread[static_cast<std::size_t>(i)].second));
    unread.erase(unread.begin() + i);
  }
}

void sim_gateway::call(api::call c, reply_ptr answer) {
  if (stopped_) {
    unread_.emplace_back(std::move(c), std::move(answer));
  } else if (sink_) {
    sink_(std::move(c), std::move(answer));
  }
}

void sim_probe::run(const std::string& engine, std::function<void(fitness_report)> done) {
  if (how == mood::silent) {
    return;
  }
  fitness_report report;
  report.verdict = how == mood::fit ? fitness::fit : fitness::unfit;
  report.rows.push_back(check_row{"simulated machine", report.verdict, engine, {}, 0});
  done(std::move(report));
}

call_ticket sim_poster::send(outgoing_call call,
                             std::function<void(result<outgoing_answer>)> done) {
  for (const auto& piece : call.more) {
    call.body += piece.view();
  }
  const auto number = ++calls[call.url];
  const bool fails =
      call.url.ends_with("/fail") || (call.url.ends_with("/flaky") && number % 2 == 1);
  if (fails) {
    done(outgoing_answer{500, {}, {}});
    return ++tickets_;
  }
  got[call.url].push_back(std::move(call.body));
  done(outgoing_answer{200, {}, {}});
  return ++tickets_;
}

void sim_models::inspect(std::vector<std::string> paths,
                         std::function<void(result<std::vector<model_entry>>)> done) {
  if (broken) {
    done(fail(errc::model_invalid, "sha256 differs from the manifest"));
    return;
  }
  if (paths.empty()) {
    done(entries);
    return;
  }
  std::vector<model_entry> found; // of one of them, again
  for (const auto& entry : entries) {
    if (std::find(paths.begin(), paths.end(), entry.path) != paths.end()) {
      found.push_back(entry);
    }
  }
  done(std::move(found));
}

} // namespace tayfa::sim
