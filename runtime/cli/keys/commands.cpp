#include "runtime/cli/keys/commands.hpp"

#include "runtime/access/key_file.hpp"
#include "runtime/access/key_maker.hpp"
#include "runtime/access/keys.hpp"
#include "runtime/base/table.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <iostream>
#include <memory>

namespace tayfa {

namespace {

int refuse(const error& e, std::ostream& err) {
  err << "tayfa key: " << (e.text.empty() ? e.str() : e.text) << '\n';
  if (e.code == errc::bad_usage) {
    return key_exit::bad_usage;
  }
  if (e.code == errc::bad_config) {
    return key_exit::bad_file;
  }
  return e.code == errc::not_found ? key_exit::no_such_key : key_exit::failed;
}

result<access::access_key> key_of(const new_key& wanted) {
  access::access_key key;
  key.name = wanted.name;
  key.tenant = wanted.tenant;
  key.endpoints = wanted.endpoints;
  key.worker_name = wanted.worker;
  for (const auto& word : wanted.scopes) {
    if (!access::add_scope(key, word)) {
      return fail(errc::bad_usage, "--scope takes client, worker and operator, not " + word);
    }
  }
  if (key.worker && access::bound_to_a_tenant(key)) {
    return fail(errc::bad_usage,
                "a worker runs the jobs of all tenants of its endpoints: leave out "
                "--tenant or the scope worker");
  }
  const auto line = access::key_line(key); // checks what the file could not express
  return line ? result<access::access_key>{std::move(key)}
              : fail(errc::bad_usage, line.error().text);
}

result<std::vector<access::access_key>> keys_in(const std::string& file, std::string_view text) {
  auto keys = access::parse_keys(text);
  return keys ? std::move(keys) : fail(errc::bad_config, file + ", " + keys.error().text);
}

std::string joined(const std::vector<std::string>& words, std::string_view nothing) {
  std::string out;
  for (const auto& word : words) {
    out += (out.empty() ? "" : ",") + word;
  }
  return out.empty() ? std::string{nothing} : out;
}

int finish(std::ostream& out, std::ostream& err) {
  out.flush();
  if (!out) {
    err << "tayfa key: the output could not be written\n";
    return key_exit::failed;
  }
  return 0;
}

} // namespace

int run_key_new(const new_key& wanted, secret_source& secrets, std::ostream& out,
                std::ostream& err) {
  const auto key = key_of(wanted);
  if (!key) {
    return refuse(key.error(), err);
  }
  const auto text = access::make_key(wanted.file, *key, secrets);
  if (!text) {
    return refuse(text.error(), err);
  }
  out << *text << '\n';
  err << "the key " << key->name << " (" << access::scopes_text(*key) << ") is in " << wanted.file
      << "; it is shown only here\n";
  return finish(out, err);
}

int run_key_list(const std::string& file, std::ostream& out, std::ostream& err) {
  const auto found = access::read_key_file(file);
  if (!found) {
    return refuse(found.error(), err);
  }
  const auto keys = keys_in(file, found->text);
  if (!keys) {
    return refuse(keys.error(), err);
  }
  std::vector<std::vector<std::string>> rows{{"NAME", "SCOPES", "TENANT", "ENDPOINTS", "WORKER"}};
  for (const auto& key : *keys) {
    rows.push_back({key.name, access::scopes_text(key), key.tenant.empty() ? "any" : key.tenant,
                    joined(key.endpoints, "all"),
                    key.worker_name.empty() ? "any" : key.worker_name});
  }
  out << text::table(rows);
  return finish(out, err);
}

int run_key_remove(const std::string& file, const std::string& name, std::ostream& err) {
  if (!access::stamp_of(file)) {
    return refuse({errc::not_found, "there is no file " + file}, err);
  }
  const auto changed = access::change_key_file(
      file, [&name](const std::string& text) { return access::without_key(text, name); });
  if (!changed) {
    return refuse(changed.error(), err);
  }
  err << "the key " << name << " is no longer in " << file << '\n';
  return 0;
}

namespace {

struct key_options {
  std::string data = "./tayfa-data";
  std::string file;
  new_key wanted;
  std::string name;

  std::string path() const { return file.empty() ? data + "/keys" : file; }
};

void add_place(CLI::App& cmd, const std::shared_ptr<key_options>& options) {
  cmd.add_option("--data", options->data, "the pod's data folder (pod.data)")
      ->envname("TAYFA_POD_DATA")
      ->capture_default_str();
  cmd.add_option("--keys", options->file, "the keys file itself (http.keys_file)")
      ->envname("TAYFA_HTTP_KEYS_FILE");
}

} // namespace

void add_key_command(CLI::App& app, int& exit_code) {
  const auto options = std::make_shared<key_options>();
  CLI::App* const cmd = app.add_subcommand("key", "make, list and remove API keys");
  cmd->require_subcommand(1);

  CLI::App* const make = cmd->add_subcommand("new", "make a key, and print it once");
  make->add_option("--name", options->wanted.name, "its name")->required();
  make->add_option("--scope", options->wanted.scopes, "client, worker or operator, or several")
      ->delimiter(',')
      ->capture_default_str();
  make->add_option("--tenant", options->wanted.tenant, "its jobs are this tenant's");
  make->add_option("--endpoint", options->wanted.endpoints, "only this endpoint; may be repeated")
      ->delimiter(',');
  make->add_option(
      "--worker", options->wanted.worker,
      "bind a key of the scope worker to this worker's name, which no other key may use then");
  add_place(*make, options);
  make->callback([options, &exit_code] {
    options->wanted.file = options->path();
    system_secrets secrets;
    exit_code = run_key_new(options->wanted, secrets, std::cout, std::cerr);
  });

  CLI::App* const list = cmd->add_subcommand("list", "list the keys and what they permit");
  add_place(*list, options);
  list->callback(
      [options, &exit_code] { exit_code = run_key_list(options->path(), std::cout, std::cerr); });

  CLI::App* const remove = cmd->add_subcommand("remove", "remove a key");
  remove->add_option("name", options->name, "its name")->required();
  add_place(*remove, options);
  remove->callback([options, &exit_code] {
    exit_code = run_key_remove(options->path(), options->name, std::cerr);
  });
}

} // namespace tayfa
