/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/str.h"
#include "client/proxy-env.h"

typedef struct Fixture {
        char folder[64];
        Options options;
        ConfigList faults;
        ClientConfig *config;
        Changes changes;
} Fixture;

static int setup(void **state) {
        Fixture *f = new0(Fixture, 1);

        strcpy(f->folder, "/tmp/test-client-XXXXXX");
        assert_non_null(mkdtemp(f->folder));
        f->options = (Options){ .command = COMMAND_LIST, .configs = { f->folder }, .n_configs = 1 };
        unsetenv("PGROK_TOKEN");
        unsetenv("http_proxy");
        unsetenv("https_proxy");
        unsetenv("no_proxy");
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *command = str_format("rm -rf %s", f->folder);

        client_config_free(f->config);
        changes_done(&f->changes);
        config_list_done(&f->faults);
        assert_int_equal(system(command), 0);
        free(f);
        return 0;
}

static void write_file(Fixture *f, const char *name, const char *text) {
        _cleanup_free_ char *path = str_format("%s/%s", f->folder, name);
        _cleanup_fclose_ FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
}

static void load(Fixture *f) {
        int r = client_config_load(&f->config, &f->options, &f->changes, &f->faults);

        if (f->faults.n > 0)
                fail_msg("unexpected: %s", f->faults.items[0]);
        assert_int_equal(r, 0);
}

/* The only fault ends in EXPECTED. */
static void assert_refused(Fixture *f, const char *expected) {
        assert_int_equal(client_config_load(&f->config, &f->options, &f->changes, &f->faults), -EINVAL);
        assert_int_equal(f->faults.n, 1);
        if (!str_has_suffix(f->faults.items[0], expected))
                fail_msg("%s", f->faults.items[0]);
}

static void set_option(Fixture *f, const char *key, const char *value, const char *origin) {
        f->options.client[f->options.n_client++] = (OptionSetting){ key, value, origin };
}

static void test_files_are_read_and_completed(void **state) {
        Fixture *f = *state;

        write_file(f, "client.conf", "client: { server = \"Tunnel.Example.com\"; };");
        write_file(f, "tunnels.conf",
                   "tunnels: { blog: { local = \"8080\"; }; "
                   "ssh: { proto = \"tcp\"; local = \"host:22\"; remote_port = 20022; }; };");
        write_file(f, "pgrokd.conf", "server: { anything = 1; };");
        load(f);
        assert_string_equal(f->config->server, "tunnel.example.com:4443");
        assert_string_equal(f->config->server_host, "tunnel.example.com");
        assert_string_equal(f->config->tls_name, "tunnel.example.com");
        assert_int_equal(f->config->server_port, 4443);
        assert_null(f->config->ca_file);
        assert_int_equal(f->config->n_tunnels, 2);
        assert_string_equal(f->config->tunnels[0]->proto, "http+https");
        assert_string_equal(f->config->tunnels[0]->subdomain, "blog");
        assert_string_equal(f->config->tunnels[1]->target.host, "host");
        assert_false(f->config->tunnels[0]->is_selected);
}

static void test_a_hostname_leaves_no_default_subdomain(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf", "tunnels: { a_b: { local = \"1\"; hostname = \"www.example.org\"; }; };");
        load(f);
        assert_null(f->config->tunnels[0]->subdomain);
}

static void test_a_hostname_may_be_a_wildcard_and_tls_has_names(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf",
                   "tunnels: { a: { local = \"1\"; proto = \"http+tls\"; hostname = \"*.example.org\"; };"
                   "           b: { local = \"1\"; proto = \"tls\"; }; };");
        load(f);
        assert_string_equal(f->config->tunnels[0]->hostname, "*.example.org");
        assert_string_equal(f->config->tunnels[1]->subdomain, "b");
}

static void test_half_a_wildcard_is_refused(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { local = \"1\"; hostname = \"*x.example.org\"; }; };");
        assert_refused(*state, "or *.example.com for all below it");
}

static void test_https_and_tls_do_not_go_together(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { local = \"1\"; proto = \"https+tls\"; }; };");
        assert_refused(*state, "can't have both https and tls: they share a port");
}

static void test_tls_asks_no_password(void **state) {
        write_file(*state, "a.conf",
                   "tunnels: { a: { local = \"1\"; proto = \"http+tls\"; http_auth = \"u:p\"; }; };");
        assert_refused(*state, "tunnel a: http_auth would keep nobody out: who comes by tls isn't asked");
}

static void test_tls_leads_to_a_service_that_speaks_it(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { local = \"https://127.0.0.1:1\"; proto = \"tls\"; }; };");
        assert_refused(*state, "tunnel a: https:// and file:// are for proto http and https");
}

static void test_a_name_that_is_no_subdomain_is_refused(void **state) {
        write_file(*state, "a.conf", "tunnels: { a_b: { local = \"1\"; }; };");
        assert_refused(*state, "tunnel a_b: the name can't be a subdomain; set subdomain or hostname");
}

static void test_keys_that_do_not_go_together_are_refused(void **state) {
        write_file(*state, "a.conf",
                   "tunnels: { a: { proto = \"tcp\"; local = \"1\"; http_auth = \"u:p\"; }; };");
        assert_refused(*state, "tunnel a: http_auth needs proto http or https");
}

static void test_what_the_server_is_to_do_is_put_together(void **state) {
        Fixture *f = *state;

        write_file(
                f, "a.conf",
                "tunnels: { a: { local = \"3000\"; http_auth = [ \"u:p\", \"v:q\" ]; allow = \"10.0.0.0/8\"; "
                "deny = [ \"10.1.2.3\" ]; host_header = \"rewrite\"; forwarded = true; "
                "request_headers = [ \"X-Team: blue\", \"-Cookie\" ]; proxy_protocol = \"v2\"; "
                "hsts = \"1y\"; redirect_https = true; }; };");
        load(f);
        assert_string_equal(f->config->tunnels[0]->options_text,
                            "{\"Allow\":[\"10.0.0.0/8\"],\"Deny\":[\"10.1.2.3\"],"
                            "\"RequestHeaders\":{\"Set\":{\"X-Team\":\"blue\"},\"Remove\":[\"Cookie\"]},"
                            "\"HostHeader\":\"localhost:3000\",\"Forwarded\":true,\"ServerAddr\":true,"
                            "\"HttpAuth\":[\"u:p\",\"v:q\"],\"Hsts\":31536000,\"RedirectHttps\":true}");
        assert_null(tunnel_config_plain_auth(f->config->tunnels[0]));
}

static void test_one_user_and_password_are_no_option(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf", "tunnels: { a: { local = \"3000\"; http_auth = \"u:p\"; }; };");
        load(f);
        assert_null(f->config->tunnels[0]->options_text);
        assert_string_equal(tunnel_config_plain_auth(f->config->tunnels[0]), "u:p");
}

static void test_a_header_twice_is_refused(void **state) {
        write_file(*state, "a.conf",
                   "tunnels: { a: { local = \"1\"; request_headers = [ \"X-A: b\", \"-x_a\" ]; }; };");
        assert_refused(*state, "tunnel a: a header stands there twice");
}

static void test_options_that_are_too_long_are_refused(void **state) {
        Fixture *f = *state;
        char value[4001] = "";
        _cleanup_free_ char *text = NULL;

        memset(value, 'v', sizeof(value) - 1);
        text = str_format(
                "tunnels: { a: { local = \"1\"; request_headers = [ \"A: %s\", \"B: %s\", \"C: %s\", "
                "\"D: %s\" ]; }; };",
                value, value, value, value);
        write_file(f, "a.conf", text);
        assert_refused(f, "tunnel a: there are too many networks, headers or users");
}

static void test_headers_are_for_http(void **state) {
        write_file(
                *state, "a.conf",
                "tunnels: { a: { proto = \"tcp\"; local = \"1\"; forwarded = true; host_header = \"rewrite\"; "
                "}; };");
        assert_refused(*state, "tunnel a: only for proto http and https: host_header, forwarded");
}

static void test_https_must_be_there_to_be_asked_for(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { proto = \"http\"; local = \"1\"; redirect_https = true; }; };");
        assert_refused(*state, "tunnel a: hsts and redirect_https need proto https");
}

static void test_hsts_has_bounds(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { local = \"1\"; hsts = \"11y\"; }; };");
        assert_refused(*state, "hsts must be from 1s to 3650d");
}

static void test_a_port_without_tcp_is_refused(void **state) {
        write_file(*state, "a.conf", "tunnels: { a: { local = \"1\"; remote_port = 5; }; };");
        assert_refused(*state, "tunnel a: remote_port needs proto tcp");
}

static void test_an_unknown_transport_is_refused(void **state) {
        write_file(*state, "a.conf", "client: { transport = \"carrier-pigeon\"; };");
        assert_refused(*state, "client.transport must be auto, mux or classic");
}

static void test_a_pin_is_checked(void **state) {
        write_file(*state, "a.conf", "client: { pin = \"sha256:12\"; };");
        assert_refused(*state, "must be sha256: and 64 hex digits, as `pgrokctl token add' prints it");
}

static void test_no_connection_and_too_many_are_refused(void **state) {
        write_file(*state, "a.conf", "client: { connections = 0; };");
        assert_refused(*state, "client.connections must be from 1 to 64");
        write_file(*state, "a.conf", "client: { connections = 65; };");
        config_list_done(&((Fixture *) *state)->faults);
        assert_refused(*state, "client.connections must be from 1 to 64");
}

static void test_a_server_is_needed(void **state) {
        Fixture *f = *state;
        char *targets[] = { (char *) "3000" };

        f->options.command = COMMAND_TUNNEL;
        f->options.arguments = targets;
        f->options.n_arguments = 1;
        assert_refused(f, f->folder);
}

static void test_targets_become_tunnels(void **state) {
        Fixture *f = *state;
        char *targets[] = { (char *) "3000", (char *) "host:80" };

        f->options.command = COMMAND_TUNNEL;
        f->options.arguments = targets;
        f->options.n_arguments = 2;
        f->options.tunnel[f->options.n_tunnel++] = (OptionSetting){ "proto", "http", "http" };
        set_option(f, "client.server", "[::1]:99", "--server");
        load(f);
        assert_string_equal(f->config->server, "[::1]:99");
        assert_int_equal(f->config->n_tunnels, 2);
        assert_string_equal(f->config->tunnels[1]->name, "host:80");
        assert_string_equal(f->config->tunnels[1]->proto, "http");
        assert_null(f->config->tunnels[1]->subdomain);
        assert_true(f->config->tunnels[0]->is_selected && f->config->tunnels[1]->is_selected);
}

static void test_only_named_tunnels_start(void **state) {
        Fixture *f = *state;
        char *names[] = { (char *) "b" };

        write_file(
                f, "a.conf",
                "client: { server = \"x:1\"; }; tunnels: { a: { local = \"1\"; }; b: { local = \"2\"; }; };");
        f->options.command = COMMAND_START;
        f->options.arguments = names;
        f->options.n_arguments = 1;
        load(f);
        assert_false(f->config->tunnels[0]->is_selected);
        assert_true(f->config->tunnels[1]->is_selected);
}

static void test_two_tokens_in_files_are_one_too_many(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text =
                str_format("client: { token = \"x\";\n token_file = \"%s/token\"; };", f->folder);

        write_file(f, "token", "word\n");
        write_file(f, "a.conf", text);
        assert_refused(f, "a.conf:2");
}

static void test_a_token_option_wins_over_a_file(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *text = str_format("client: { token_file = \"%s/token\"; };", f->folder);

        write_file(f, "token", " from-file\n");
        write_file(f, "a.conf", text);
        load(f);
        assert_string_equal(f->config->token, "from-file");
        f->config = client_config_free(f->config);
        setenv("PGROK_TOKEN", "from-environment", 1);
        load(f);
        assert_string_equal(f->config->token, "from-environment");
        f->config = client_config_free(f->config);
        set_option(f, "client.token", "from-option", "--token");
        load(f);
        assert_string_equal(f->config->token, "from-option");
}

static void test_a_token_file_is_read_again(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *path = str_format("%s/token", f->folder), *why = NULL;

        write_file(f, "token", "old");
        set_option(f, "client.token_file", path, "--token-file");
        load(f);
        write_file(f, "token", "new\n");
        assert_int_equal(client_config_read_token(f->config, &why), 0);
        assert_string_equal(f->config->token, "new");
        write_file(f, "token", "two words\n");
        assert_int_equal(client_config_read_token(f->config, &why), -EINVAL);
        assert_non_null(strstr(why, path));
        assert_null(strstr(why, "two words"));
        assert_string_equal(f->config->token, "new");
}

static void test_proxies_of_the_environment(void **state _unused_) {
        assert_null(proxy_from_environment("example.com"));
        setenv("http_proxy", "http://p:1", 1);
        assert_string_equal(proxy_from_environment("example.com"), "http://p:1");
        setenv("https_proxy", "http://q:2", 1);
        assert_string_equal(proxy_from_environment("example.com"), "http://q:2");
        assert_null(proxy_from_environment("127.0.0.1"));
        setenv("no_proxy", "other.org, .example.com", 1);
        assert_null(proxy_from_environment("example.com"));
        assert_null(proxy_from_environment("www.EXAMPLE.com"));
        assert_non_null(proxy_from_environment("notexample.com"));
        assert_non_null(proxy_from_environment("example.com.net"));
        setenv("no_proxy", "*", 1);
        assert_null(proxy_from_environment("anything.net"));
}

static void test_an_empty_proxy_option_means_none(void **state) {
        Fixture *f = *state;

        setenv("http_proxy", "http://p:1", 1);
        set_option(f, "client.server", "example.com", "--server");
        load(f);
        assert_string_equal(f->config->http_proxy, "http://p:1");
        f->config = client_config_free(f->config);
        set_option(f, "client.http_proxy", "", "--http-proxy");
        load(f);
        assert_null(f->config->http_proxy);
}

static void test_dev_trusts_the_private_ca(void **state) {
        Fixture *f = *state;
        _cleanup_free_ char *dev = str_format("%s/pgrok", f->folder), *expected = NULL;

        assert_int_equal(mkdir(dev, 0700), 0);
        expected = str_format("%s/dev", dev);
        assert_int_equal(mkdir(expected, 0700), 0);
        setenv("XDG_STATE_HOME", f->folder, 1);
        f->options.n_configs = 0;
        f->options.dev = true;
        assert_refused(f, "it makes that file");
        config_list_done(&f->faults);
        write_file(f, "pgrok/dev/ca.pem", "");
        set_option(f, "client.server", "127.0.0.1:5000", "--server");
        load(f);
        assert_string_equal(f->config->server, "127.0.0.1:5000");
        assert_string_equal(f->config->tls_name, "localhost");
        assert_true(str_has_suffix(f->config->ca_file, "/pgrok/dev/ca.pem"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static Change *change(Fixture *f, const char *name, bool is_removal) {
        Change *c = change_new(name, is_removal);

        assert_non_null(c);
        assert_null(changes_put(&f->changes, c));
        return c;
}

static const TunnelConfig *find(const Fixture *f, const char *name) {
        for (size_t i = 0; i < f->config->n_tunnels; i++)
                if (streq(f->config->tunnels[i]->name, name))
                        return f->config->tunnels[i];
        return NULL;
}

static void test_changes_add_and_remove_tunnels(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf",
                   "client: { server = \"x.test\"; };\n"
                   "tunnels: { a: { local = \"1\"; }; b: { local = \"2\"; }; };\n");
        f->options.command = COMMAND_RUN;
        change(f, "a", true);
        change(f, "gone", true);
        assert_int_equal(change_set(change(f, "3000", false), "subdomain", "s"), 0);
        load(f);
        assert_false(find(f, "a")->is_selected);
        assert_true(find(f, "b")->is_selected);
        assert_true(find(f, "3000")->is_selected);
        assert_string_equal(find(f, "3000")->subdomain, "s");
}

static void test_a_name_has_its_last_change_only(void **state) {
        Fixture *f = *state;
        Change *second = change_new("a", false), *first = change(f, "a", true);

        assert_ptr_equal(changes_put(&f->changes, second), first);
        assert_int_equal(f->changes.n, 1);
        changes_undo(&f->changes, second, first);
        assert_int_equal(f->changes.n, 1);
        assert_true(f->changes.items->is_removal);
}

static void test_a_wrong_addition_is_a_fault(void **state) {
        Fixture *f = *state;

        write_file(f, "a.conf", "client: { server = \"x.test\"; };\n");
        assert_int_equal(change_set(change(f, "3000", false), "nonsense", "s"), 0);
        assert_refused(f, "there is an unknown setting");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_changes_add_and_remove_tunnels),
                TEST(test_a_name_has_its_last_change_only),
                TEST(test_a_wrong_addition_is_a_fault),
                TEST(test_files_are_read_and_completed),
                TEST(test_a_hostname_leaves_no_default_subdomain),
                TEST(test_a_hostname_may_be_a_wildcard_and_tls_has_names),
                TEST(test_half_a_wildcard_is_refused),
                TEST(test_https_and_tls_do_not_go_together),
                TEST(test_tls_asks_no_password),
                TEST(test_tls_leads_to_a_service_that_speaks_it),
                TEST(test_a_name_that_is_no_subdomain_is_refused),
                TEST(test_keys_that_do_not_go_together_are_refused),
                TEST(test_what_the_server_is_to_do_is_put_together),
                TEST(test_one_user_and_password_are_no_option),
                TEST(test_a_header_twice_is_refused),
                TEST(test_options_that_are_too_long_are_refused),
                TEST(test_headers_are_for_http),
                TEST(test_https_must_be_there_to_be_asked_for),
                TEST(test_hsts_has_bounds),
                TEST(test_https_must_be_there_to_be_asked_for),
                TEST(test_hsts_has_bounds),
                TEST(test_a_port_without_tcp_is_refused),
                TEST(test_an_unknown_transport_is_refused),
                TEST(test_a_pin_is_checked),
                TEST(test_no_connection_and_too_many_are_refused),
                TEST(test_a_server_is_needed),
                TEST(test_targets_become_tunnels),
                TEST(test_only_named_tunnels_start),
                TEST(test_two_tokens_in_files_are_one_too_many),
                TEST(test_a_token_option_wins_over_a_file),
                TEST(test_a_token_file_is_read_again),
                TEST(test_proxies_of_the_environment),
                TEST(test_an_empty_proxy_option_means_none),
                TEST(test_dev_trusts_the_private_ca),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
