// SPDX-License-Identifier: Apache-2.0

// A Vault server for tests: the real core of HashiCorp Vault behind its own HTTP handler, with storage in memory, AppRole,
// both versions of KV and the database engine with PostgreSQL. No clouds, no plugins of others, no command line.
//
// It prints one line of JSON, {"address": ..., "root_token": ..., "key": ...}, and serves until its input ends. Each line of
// its input is a command: "seal", "unseal".
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/logical/database"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/plugins/database/postgresql"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// plugins is the registry of what is built in: the database engine looks its driver up here.
type plugins struct{}

func (plugins) Get(name string, t consts.PluginType) (func() (interface{}, error), bool) {
	if t == consts.PluginTypeDatabase && name == "postgresql-database-plugin" {
		return postgresql.New, true
	}
	return nil, false
}

func (p plugins) Contains(name string, t consts.PluginType) bool {
	_, ok := p.Get(name, t)
	return ok
}

func (plugins) Keys(t consts.PluginType) []string {
	if t == consts.PluginTypeDatabase {
		return []string{"postgresql-database-plugin"}
	}
	return nil
}

func (p plugins) DeprecationStatus(name string, t consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, p.Contains(name, t)
}

func (plugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func main() {
	if err := serve(); err != nil {
		log.Fatal(err)
	}
}

func serve() error {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := "http://" + listener.Addr().String()
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		RedirectAddr:       address,
		DisableMlock:       true,
		BuiltinRegistry:    plugins{},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory, "database": database.Factory},
	})
	if err != nil {
		return err
	}
	one := &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}
	made, err := core.Initialize(context.Background(), &vault.InitParams{BarrierConfig: one, RecoveryConfig: one})
	if err != nil {
		return err
	}
	key := made.SecretShares[0]
	if _, err = core.Unseal(key); err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{Core: core})
	go func() { log.Fatal(http.Serve(listener, handler)) }()
	if err = json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address": address, "root_token": made.RootToken, "key": hex.EncodeToString(key),
	}); err != nil {
		return err
	}
	return obey(core, made.RootToken, key)
}

func obey(core *vault.Core, token string, key []byte) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var err error
		switch lines.Text() {
		case "seal":
			err = core.Seal(token)
		case "unseal":
			_, err = core.Unseal(key)
		default:
			err = fmt.Errorf("there is no command %q", lines.Text())
		}
		if err != nil {
			return err
		}
		fmt.Println("done")
	}
	return lines.Err()
}
