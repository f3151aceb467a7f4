#include "cluster/program/serve_parts.hpp"

#include "actors/queue_limits.hpp"
#include "runtime/http_client/url_guard.hpp"
#include "runtime/machine/memory_limit.hpp"
#include "runtime/store/files.hpp"
#include "runtime/store/memory_store.hpp"
#include "runtime/store/pg/postgres_store.hpp"
#include "runtime/store/sqlite_store.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace tayfa {

namespace {

/// Bodies being received may use one such part of the process's memory, answers being sent another.
constexpr std::size_t memory_parts = 5;
/// Always room for one answer of the largest size.
constexpr std::size_t answer_least = std::size_t{64} << 20;

address_guard guard_from(const config& c) {
  auto blocks = parse_blocks(c.webhook_allow_private.items()); // validated with the rest of the
                                                               // configuration
  return blocks ? address_guard{std::move(*blocks)} : address_guard{};
}

constexpr std::size_t platform_hosts = 2; ///< results may go to another host than takes

std::size_t platform_calls_per_host(const serve_plan& plan) {
  // Takes and stops are long polls; each job posts one request at a time; plus a ping, and some
  // beyond these, as a result may wait behind a slow one of another job.
  const std::size_t jobs =
      plan.knobs.runpod_concurrency > 0
          ? plan.knobs.runpod_concurrency
          : std::max<std::size_t>(plan.knobs.engine_slots, 1) * 4; // a slot may hold several jobs
  return std::clamp<std::size_t>(jobs, 16, 256) + 4;
}

} // namespace

descriptor_needs needs_from(const serve_plan& plan, std::uint64_t files) {
  descriptor_needs out;
  out.limit = files;
  out.connections = plan.knobs.http_connections_max;
  out.slots = plan.knobs.engine_slots;
  out.calls = plan.knobs.webhook_calls;
  out.platform_calls = plan.runpod ? platform_calls_per_host(plan) * platform_hosts : 0;
  return out;
}

http_options http_from(const config& c, const descriptor_shares& shares, api::gate* gate,
                       metrics& meters, event_log& log, const time_source& time) {
  http_options o;
  o.time = &time;
  o.listen = c.http_listen;
  o.health_listen = c.http_health_listen;
  o.hosts = c.http_hosts.items();
  o.api.access_gate = gate;
  o.api.run_body_bytes = c.http_run_body_max;
  o.api.runsync_body_bytes = c.http_runsync_body_max;
  o.api.runsync_wait = c.http_runsync_wait;
  o.api.openai_wait = c.http_openai_wait;
  o.api.endpoints = c.http_endpoints.items();
  o.api.health_path = c.http_health_path;
  o.api.webhook_allowed = [guard = guard_from(c)](const std::string& url) -> result<void> {
    const auto judged = guarded_url(url, guard);
    return judged ? result<void>{} : fail(judged.error());
  };
  // In a small container the default limits would exceed the memory.
  const std::size_t share = memory_limit() / memory_parts;
  o.receiving_bytes_max =
      std::max(std::min(o.receiving_bytes_max, share), o.api.runsync_body_bytes);
  o.answers =
      byte_budget{std::max(std::min<std::size_t>(c.http_answer_bytes, share), answer_least)};
  o.connections_max = shares.connections;
  o.rejected_max = shares.rejected;
  o.health_connections_max = shares.health;
  o.streams_max = std::max<std::size_t>(shares.connections / 2, 1); // leaves connections for
                                                                    // requests
  o.header_timeout = c.http_header_timeout;
  o.body_timeout = c.http_body_timeout;
  o.least_rate = c.http_least_rate;
  o.idle_timeout = c.http_idle_timeout;
  o.answered = [&meters](unsigned status) {
    if (status >= 400) {
      meters.add(meter::http_refused);
    }
  };
  o.quiet = return_free_memory;
  o.trouble = [&log](const error& e) {
    log.warn("http_trouble", {{"code", e.code}, {"text", e.text}});
  };
  return o;
}

poster_options poster_from(const config& c, std::size_t calls, const time_source& time) {
  poster_options o;
  o.time = &time;
  o.guard = guard_from(c);
  // The queue itself limits running calls and takes turns fairly; no call waits here.
  const auto hooks = hook_calls_from(c);
  o.guarded.in_flight_max = std::min(hooks.calls_max, calls);
  o.guarded.per_target_max = hooks.target_max;
  o.guarded.open_bytes_max = hooks.bytes_max * 2; // bodies are somewhat larger than outputs
  o.unguarded.in_flight_max = 1; // unused, as all calls here are guarded; the bound also counts
                                 // idle connections
  return o;
}

poster_options platform_poster_from(const serve_plan& plan, const time_source& time) {
  poster_options o;
  o.time = &time;
  o.guarded.in_flight_max = 1; // unused, as all calls here are unguarded
  auto& bounds = o.unguarded;
  bounds.per_target_max = platform_calls_per_host(plan);
  bounds.in_flight_max = bounds.per_target_max * platform_hosts;
  return o;
}

namespace {

/// Names this data folder, which one process locks: the next one of the same folder need not wait
/// for a lease. Empty when it cannot be kept.
std::string instance_of(const std::string& folder, secret_source& secrets) {
  constexpr std::size_t longest = 64;
  const auto path = folder + "/instance";
  if (auto known = read_file_if_there(path, longest); known && *known) {
    return **known;
  }
  store::local_files files;
  auto made = secrets.uuid();
  const auto kept = files.write_flushed(path + ".new", made);
  const auto named = kept ? files.rename(path + ".new", path) : kept;
  return named && files.sync_folder(folder) ? made : std::string{};
}

std::string name_of_this_machine() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

std::unique_ptr<job_store> make_postgres_store(const config& c, const time_source& time,
                                               random_source& random, secret_source& secrets) {
  static const system_time real; // a lease goes on while this process is stopped
  store::postgres_store_options o;
  o.url = c.store_url;
  o.head.name = c.store_head;
  o.head.lease = c.store_lease;
  o.head.holder = secrets.uuid();
  o.head.instance = instance_of(c.pod_data, secrets);
  o.head.address = name_of_this_machine() + " " + c.http_listen;
  o.head.boot = store::boot_id_here();
  o.head.real = &real;
  return std::make_unique<store::postgres_store>(time, random, std::move(o));
}

} // namespace

std::unique_ptr<job_store> make_store(const config& c, const time_source& time,
                                      random_source& random, secret_source& secrets) {
  if (c.store_kind == "memory") {
    return std::make_unique<store::memory_store>();
  }
  if (c.store_kind == "postgres") {
    return make_postgres_store(c, time, random, secrets);
  }
  store::sqlite_store_options o;
  o.folder = c.pod_data + "/store";
  o.reserve = store::sqlite_store::usual_reserve;
  o.watched = {c.pod_data, c.pod_data + "/lock"};
  return std::make_unique<store::sqlite_store>(time, std::move(o));
}

scratch_folder::scratch_folder() {
  std::error_code wrong;
  const auto place = std::filesystem::temp_directory_path(wrong);
  if (wrong) {
    return;
  }
  std::string name = (place / "tayfa-test-XXXXXX").string();
  if (::mkdtemp(name.data()) != nullptr) {
    path_ = std::move(name);
  }
}

scratch_folder::~scratch_folder() {
  if (!path_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

result<std::optional<std::string>> read_file_if_there(const std::string& path, std::size_t most) {
  std::error_code wrong;
  const auto kind = std::filesystem::status(path, wrong).type();
  if (kind == std::filesystem::file_type::not_found) {
    return std::optional<std::string>{};
  }
  std::ifstream in{path, std::ios::binary};
  if (kind != std::filesystem::file_type::regular || !in) {
    return fail(errc::bad_input, path + " cannot be read");
  }
  std::string text;
  char block[65536];
  while (in.read(block, sizeof block) || in.gcount() > 0) {
    text.append(block, static_cast<std::size_t>(in.gcount()));
    if (text.size() > most) {
      return fail(errc::bad_input, path + " is larger than " + std::to_string(most) + " bytes");
    }
  }
  return in.bad()
             ? result<std::optional<std::string>>{fail(errc::bad_input, path + " cannot be read")}
             : std::optional{std::move(text)};
}

} // namespace tayfa
