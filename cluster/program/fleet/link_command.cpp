#include "cluster/program/fleet/link_command.hpp"

#include "cluster/program/fleet/link_parts.hpp"
#include "runtime/api/call.hpp"
#include "runtime/cli/answer.hpp"
#include "runtime/cli/command_line.hpp"
#include "runtime/cli/pods/pod_tables.hpp"
#include "runtime/pods_net/endpoint.hpp"
#include "runtime/pods_net/invite.hpp"
#include "runtime/pods_net/link_keys.hpp"

#include <boost/url.hpp>
#include <CLI/CLI.hpp>
#include <memory>
#include <unistd.h>

namespace tayfa {

namespace {

struct link_request {
  target_options at;
  std::string data; ///< empty: through the API
  make_join_text text;
  change_trust change;
};

std::string list_in(const std::string& data) {
  return pods::allow_list_path(link_folder(data));
}

std::string this_user() {
  return "uid:" + std::to_string(::getuid());
}

constexpr int exit_bad_file = 65;

command_error failure(const error& e) {
  const bool usage = e.code == errc::bad_usage || e.code == errc::bad_request;
  return {usage                        ? exit_usage
          : e.code == errc::bad_config ? exit_bad_file
                                       : exit_failed,
          clean_line(e.text.empty() ? e.str() : e.text), 0};
}

/// The host by which this client reaches the head, for pods to reach it by; empty where that is
/// this machine.
std::string host_for_pods(const std::string& url) {
  const auto parsed = boost::urls::parse_uri(url);
  if (!parsed) {
    return {};
  }
  const std::string host{parsed->host()};
  return host == "localhost" || pods::is_local("tcp://" + host + ":1") ? std::string{} : host;
}

/// The record of an answer, from the API or from the folder.
template <class List>
command_result<typename List::record> record_of_answer(const List& fields, const link_request& o,
                                                       const pod_client::answer& answer) {
  auto read = read_answer(fields, answer);
  if (read && o.at.json) {
    print_json(answer->text);
  }
  return read;
}

template <class T>
command_result<T> of_folder(result<T> value) {
  return value ? command_result<T>{std::move(*value)} : tl::unexpected(failure(value.error()));
}

command_result<join_text> make_text(const link_request& o) {
  if (!o.data.empty()) {
    system_secrets secrets;
    return of_folder(make_join_text_in(o.data, o.text, system_time{}, secrets));
  }
  std::string addresses = o.text.addresses.empty() ? host_for_pods(o.at.url) : std::string{};
  for (const auto& each : o.text.addresses) {
    addresses += (addresses.empty() ? "" : ",") + each;
  }
  return record_of_answer(api::join_text_fields, o,
                          o.at.client().join_string(addresses, o.text.minutes));
}

int show_text(const link_request& o) {
  const auto made = make_text(o);
  if (!made) {
    return complain(made.error());
  }
  if (!o.at.json || !o.data.empty()) {
    print(made->text + '\n');
  }
  std::fprintf(stderr, "token %s lets one pod join within %s; its join string is shown only here\n",
               clean_line(made->token).c_str(), duration_text(made->expires_in).c_str());
  return exit_ok;
}

int show_list(const link_request& o, const command_result<trust_list>& list) {
  if (!list) {
    return complain(list.error());
  }
  if (!o.at.json || !o.data.empty()) {
    print(trust_text(*list, output_width()));
  }
  return exit_ok;
}

int list_pods_of(const link_request& o) {
  return show_list(o, o.data.empty()
                          ? record_of_answer(api::trust_fields, o, o.at.client().trust_list())
                          : of_folder(read_trust_in(o.data, system_time{})));
}

int change_list(const link_request& o, bool trusted) {
  if (o.data.empty()) {
    const auto client = o.at.client();
    const auto answer =
        trusted ? client.trust_pod(o.change.pod, o.change.name) : client.revoke_pod(o.change.pod);
    return show_list(o, record_of_answer(api::trust_fields, o, answer));
  }
  auto wanted = o.change;
  wanted.trusted = trusted;
  wanted.by = this_user();
  return show_list(o, of_folder(change_trust_in(o.data, std::move(wanted), system_time{})));
}

} // namespace

result<join_text> make_join_text_in(const std::string& data, make_join_text wanted,
                                    const time_source& time, secret_source& secrets) {
  const auto head = pods::read_keys(link_folder(data), "head");
  if (!head) {
    return head.error().code == errc::not_found
               ? fail(errc::not_found, "no head has run with the data folder " + data +
                                           " yet; start it first: tayfa serve --link")
               : fail(head.error());
  }
  if (wanted.addresses.empty()) {
    return fail(errc::bad_usage,
                "with --data, name the head as pods reach it: --address HOST:PORT");
  }
  wanted.by = this_user();
  const auto made =
      pods::invite(list_in(data), head->public_key, wanted, pods::wall_of(time), secrets);
  return made ? result<join_text>{join_text{made->token, std::string{made->text.reveal()},
                                            std::chrono::minutes{wanted.minutes}}}
              : fail(made.error());
}

result<trust_list> read_trust_in(const std::string& data, const time_source& time) {
  const auto list = pods::read_allow_list(list_in(data));
  return list ? result<trust_list>{pods::shown_list(*list, pods::wall_of(time))}
              : fail(list.error());
}

result<trust_list> change_trust_in(const std::string& data, change_trust wanted,
                                   const time_source& time) {
  const auto now = pods::wall_of(time);
  const auto list = pods::change_trust_at(list_in(data), wanted, now);
  return list ? result<trust_list>{pods::shown_list(*list, now)} : fail(list.error());
}

void add_link_command(CLI::App& app, int& exit_code) {
  auto* cmd = app.add_subcommand("link", "which pods a head lets in (tayfa serve --link)");
  cmd->require_subcommand(1);
  const auto asked = std::make_shared<link_request>();
  const auto add = [&](const char* called, const char* text) {
    auto* one = cmd->add_subcommand(called, text);
    add_target(*one, asked->at);
    one->add_option("--data", asked->data,
                    "data folder of the head, for when its API cannot be called");
    return one;
  };
  auto* token = add("token", "print a join string, with which one new pod joins: tayfa pod --join");
  token->add_option("--address", asked->text.addresses,
                    "HOST or HOST:PORT of the head, as pods reach it; up to four");
  token->add_option("--minutes", asked->text.minutes, "until it expires")
      ->check(CLI::Range(1U, token_minutes_max));
  token->callback([asked, &exit_code] { exit_code = show_text(*asked); });
  add("list", "print pods and tokens")->callback([asked, &exit_code] {
    exit_code = list_pods_of(*asked);
  });
  auto* trust = add("trust", "let a pod in (again)");
  trust->add_option("pod", asked->change.pod, "its name or its public key")->required();
  trust->add_option("--name", asked->change.name, "name of a pod that is not listed yet");
  trust->callback([asked, &exit_code] { exit_code = change_list(*asked, true); });
  auto* revoke = add("revoke", "let a pod in no more, and cut it off");
  revoke->add_option("pod", asked->change.pod, "its name or its public key")->required();
  revoke->callback([asked, &exit_code] { exit_code = change_list(*asked, false); });
}

} // namespace tayfa
