#include "runtime/store/pg/pg_session.hpp"

#include <algorithm>
#include <array>
#include <libpq-fe.h>
#include <poll.h>
#include <utility>

namespace tayfa::store {

namespace {

constexpr std::chrono::milliseconds longest_poll{1'000};

enum class waited : std::uint8_t { ready, late, stopped };

/// Waits until the socket is ready, the moment has come, or nobody wants to know any more.
waited wait_for(int socket, short events, moment deadline, pg_session::surroundings with) {
  for (;;) {
    const auto left = with.time.until(deadline);
    if (left.count() == 0) {
      return waited::late;
    }
    std::array<pollfd, 2> fds{pollfd{socket, events, 0}, pollfd{with.stop.get(), POLLIN, 0}};
    const auto span = std::min(std::chrono::ceil<std::chrono::milliseconds>(left), longest_poll);
    const int ready = ::poll(fds.data(), fds.size(), static_cast<int>(span.count()));
    if (ready > 0 && fds[1].revents != 0) {
      return waited::stopped;
    }
    if (ready > 0) {
      return waited::ready;
    }
  }
}

/// libpq's words end with a line break, and may have several lines.
std::string one_line(const char* words) {
  std::string out = words == nullptr ? "" : words;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) {
    out.pop_back();
  }
  std::replace(out.begin(), out.end(), '\n', ' ');
  return out;
}

/// libpq 15 keeps no SQLSTATE of a connection that failed. Other words mean "try again", which is
/// right for them and only slow for these in another language.
bool is_of_configuration(std::string_view words) {
  constexpr std::array<std::string_view, 6> known = {
      "authentication failed", "no password supplied", "does not exist",
      "pg_hba.conf",           "certificate",          "is not permitted to log in"};
  return std::any_of(known.begin(), known.end(), [&](std::string_view each) {
    return words.find(each) != std::string_view::npos;
  });
}

} // namespace

// ---- rows --------------------------------------------------------------------------------------

pg_rows::pg_rows(pg_result* taken) : handle_(taken, &PQclear) {}
int pg_rows::count() const {
  return PQntuples(handle_.get());
}
bool pg_rows::is_null(int row, int column) const {
  return PQgetisnull(handle_.get(), row, column) != 0;
}
std::string_view pg_rows::bytes(int row, int column) const {
  const int size = PQgetlength(handle_.get(), row, column);
  return {PQgetvalue(handle_.get(), row, column), static_cast<std::size_t>(size)};
}
std::string_view pg_rows::tag() const {
  return PQcmdStatus(handle_.get());
}

// ---- the connection ----------------------------------------------------------------------------

struct pg_session::state {
  PGconn* handle;
  const pg_address& address;
  surroundings with;
  bool warned = false;
  std::string warning;

  state(PGconn* conn, const pg_address& to, surroundings s) : handle(conn), address(to), with(s) {}
  state(const state&) = delete;
  state& operator=(const state&) = delete;
  ~state() { PQfinish(handle); }

  std::string words() const { return address.without_password(one_line(PQerrorMessage(handle))); }
  static void hear(void* self, const PGresult* notice) {
    auto& me = *static_cast<state*>(self);
    const char* const severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity != nullptr && std::string_view{severity} == "WARNING") {
      me.warned = true;
      me.warning = me.address.without_password(one_line(PQresultErrorMessage(notice)));
    }
  }
};

void pg_session::closer::operator()(state* gone) const {
  delete gone;
}

pg_session::pg_session(std::unique_ptr<state, closer> taken) : state_(std::move(taken)) {}

result<pg_session> pg_session::connect(const pg_address& to, std::chrono::milliseconds each_host,
                                       surroundings with) {
  std::string tried;
  for (std::size_t i = 0; i < to.hosts(); ++i) {
    auto made = connect_one(to, i, with.time.now() + each_host, with);
    if (made) {
      return made;
    }
    tried += (tried.empty() ? "" : "; ") + made.error().text;
    if (made.error().code == errc::bad_config && to.hosts() == 1) {
      return fail(errc::bad_config, "the database " + to.shown() + " refuses: " + tried);
    }
  }
  return fail(errc::unavailable, "the database " + to.shown() + " cannot be reached: " + tried);
}

result<pg_session> pg_session::connect_one(const pg_address& to, std::size_t host, moment deadline,
                                           surroundings with) {
  const auto target = to.host(host);
  std::unique_ptr<state, closer> made{
      new state{PQconnectStartParams(target.keywords.data(), target.values.data(), 0), to, with}};
  auto* const conn = made->handle;
  if (conn == nullptr) {
    return fail(errc::unavailable, "no memory for a connection");
  }
  PQsetNoticeReceiver(conn, &state::hear, made.get());
  auto step = PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
  while (step == PGRES_POLLING_READING || step == PGRES_POLLING_WRITING) {
    const short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const auto how = wait_for(PQsocket(conn), events, deadline, with);
    if (how != waited::ready) {
      return fail(errc::unavailable, how == waited::late
                                         ? to.name_of(host) + " does not answer in time"
                                         : "the store is being closed");
    }
    step = PQconnectPoll(conn);
  }
  if (step != PGRES_POLLING_OK) {
    auto words = made->words();
    const bool for_good = is_of_configuration(words);
    return fail(for_good ? errc::bad_config : errc::unavailable, std::move(words));
  }
  if (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1) {
    return fail(errc::unavailable, made->words());
  }
  return pg_session{std::move(made)};
}

// ---- pipelines ---------------------------------------------------------------------------------

pg_outcome pg_session::lost(pg_outcome out, std::string_view why) {
  out.how = pg_outcome::kind::cut;
  out.rows.clear();
  out.warned = state_->warned;
  if (out.text.empty()) {
    out.text = why.empty() ? state_->words() : std::string{why};
  }
  return out;
}

bool pg_session::is_lost() {
  auto* const conn = state_->handle;
  pollfd heard{PQsocket(conn), POLLIN, 0};
  // A server that ends says so before it closes, so the end may come behind something else.
  for (int i = 0; i < 16 && ::poll(&heard, 1, 0) > 0; ++i) {
    if (PQconsumeInput(conn) != 1) {
      return true;
    }
  }
  return PQstatus(conn) == CONNECTION_BAD;
}

pg_outcome pg_session::run(std::span<const pg_call> calls, moment deadline) {
  auto* const conn = state_->handle;
  state_->warned = false;
  if (is_lost()) {
    auto out = lost({}, "");
    out.how = pg_outcome::kind::unsent;
    return out;
  }
  for (const auto& call : calls) {
    std::vector<const char*> values;
    std::vector<int> sizes;
    for (const auto& each : call.values) {
      values.push_back(each.is_null ? nullptr : each.bytes.data());
      sizes.push_back(static_cast<int>(each.bytes.size()));
    }
    const std::vector<int> binary(call.values.size(), 1);
    const auto count = static_cast<int>(values.size());
    const int sent = call.prepared
                         ? PQsendQueryPrepared(conn, call.sql.c_str(), count, values.data(),
                                               sizes.data(), binary.data(), 1)
                         : PQsendQueryParams(conn, call.sql.c_str(), count, nullptr, values.data(),
                                             sizes.data(), binary.data(), 1);
    if (sent != 1) {
      return lost({}, "");
    }
  }
  return finish(calls.size(), deadline);
}

pg_outcome pg_session::prepare(std::span<const std::pair<std::string, std::string>> names_and_sql,
                               moment deadline) {
  state_->warned = false;
  for (const auto& [name, sql] : names_and_sql) {
    if (PQsendPrepare(state_->handle, name.c_str(), sql.c_str(), 0, nullptr) != 1) {
      return lost({}, "");
    }
  }
  return finish(names_and_sql.size(), deadline);
}

/// Takes what has arrived. False: the connection is lost.
bool pg_session::take_results(pg_outcome& out, std::size_t& at, bool& answered, bool& over) {
  auto* const conn = state_->handle;
  while (!over && PQisBusy(conn) == 0) {
    pg_result* const raw = PQgetResult(conn);
    if (raw == nullptr) {
      if (PQstatus(conn) == CONNECTION_BAD) {
        return false;
      }
      at += std::exchange(answered, false) ? 1 : 0;
      continue;
    }
    const auto status = PQresultStatus(raw);
    pg_rows rows{raw};
    if (status == PGRES_PIPELINE_SYNC) {
      over = true;
    } else if (status == PGRES_FATAL_ERROR) {
      if (out.text.empty()) {
        const char* const code = PQresultErrorField(raw, PG_DIAG_SQLSTATE);
        out.state = code == nullptr ? "" : code;
        out.text = state_->address.without_password(one_line(PQresultErrorMessage(raw)));
        out.text = out.text.empty() ? "an error without words" : out.text;
        out.failed = at;
      }
      answered = true;
      if (PQstatus(conn) == CONNECTION_BAD) {
        return false;
      }
    } else {
      answered = true;
      if (at < out.rows.size()) {
        out.rows[at] = std::move(rows);
      }
    }
  }
  return true;
}

pg_outcome pg_session::finish(std::size_t calls, moment deadline) {
  auto* const conn = state_->handle;
  pg_outcome out;
  out.rows.resize(calls);
  if (PQpipelineSync(conn) != 1) {
    return lost(std::move(out), "");
  }
  std::size_t at = 0;
  bool answered = false;
  for (bool over = false; !over;) {
    const int unsent = PQflush(conn);
    if (unsent < 0 || !take_results(out, at, answered, over)) {
      return lost(std::move(out), "");
    }
    if (over) {
      break;
    }
    const short events = static_cast<short>(POLLIN | (unsent == 1 ? POLLOUT : 0));
    switch (wait_for(PQsocket(conn), events, deadline, state_->with)) {
    case waited::late: return lost(std::move(out), "the database did not answer in time");
    case waited::stopped: return lost(std::move(out), "the store is being closed");
    case waited::ready: break;
    }
    if (PQconsumeInput(conn) != 1) {
      return lost(std::move(out), "");
    }
  }
  out.warned = state_->warned;
  out.how = out.text.empty() ? pg_outcome::kind::done : pg_outcome::kind::refused;
  if (out.warned && out.text.empty()) {
    out.text = state_->warning;
  }
  return out;
}

int pg_session::socket() const {
  return PQsocket(state_->handle);
}

bool pg_session::is_notified(moment deadline) {
  auto* const conn = state_->handle;
  for (;;) {
    if (auto* const heard = PQnotifies(conn); heard != nullptr) {
      PQfreemem(heard);
      return true;
    }
    if (wait_for(PQsocket(conn), POLLIN, deadline, state_->with) != waited::ready ||
        PQconsumeInput(conn) != 1) {
      return false;
    }
  }
}

} // namespace tayfa::store
