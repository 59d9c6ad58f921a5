# The front door: `make help`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GOBUILD := CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"
TOOLS   := bin/tools
REPORTS := bin/reports
# gotest,NAME: go test, with a report in bin/reports/NAME.json.
gotest   = $(CURDIR)/$(TOOLS)/gotestsum --format pkgname --hide-summary skipped --jsonfile $(CURDIR)/$(REPORTS)/$(1).json --
MODULES := . api test test/kube
# The modules whose code is ours; test/tools holds only versions.
IMAGE   ?= k8sm/operator:$(VERSION)
EXECUTOR_IMAGE ?= k8sm/executor:$(VERSION)
RUNTIME ?= auto

##@ See it work

.PHONY: demo
demo: build kube ## The whole story on this machine: an empty Mesos cluster to pods, services, scaling, and gone again
	@bin/playground demo --runtime=$(RUNTIME)

.PHONY: playground
playground: build kube ## The same cluster, left running for you to try things on, until Ctrl-C
	@bin/playground up --runtime=$(RUNTIME)

##@ Develop

.PHONY: build
build: ## Build operator, executor and playground into bin/
	@mkdir -p bin
	@echo "Building the operator (the first time takes a minute or two) ..."
	@$(GOBUILD) -o bin/operator ./cmd/operator
	@echo "Building the executor ..."
	@$(GOBUILD) -o bin/executor ./cmd/executor
	@echo "Building the playground ..."
	@cd test && $(GOBUILD) -o ../bin/playground ./cmd/playground

.PHONY: kube
kube: ## Build the real Kubernetes, etcd, containerd, runc and CNI plugins into bin/kube (once; minutes)
	@test/kube/build.sh

.PHONY: generate
generate: $(TOOLS)/controller-gen $(TOOLS)/crd-ref-docs ## Write deepcopy code, CRDs, RBAC and the API reference anew from the types
	@cd api && ../$(TOOLS)/controller-gen object paths=./...
	@cd api && ../$(TOOLS)/controller-gen crd paths=./... output:crd:dir=../config/crd/bases
	@$(TOOLS)/controller-gen rbac:roleName=k8sm-operator $(patsubst %,paths=./controllers/%/...,$(filter-out autoscaler,$(notdir $(patsubst %/,%,$(wildcard controllers/*/))))) output:rbac:dir=config/rbac
	@$(TOOLS)/controller-gen rbac:roleName=k8sm-operator-autoscaling paths=./controllers/autoscaler/... output:rbac:dir=config/rbac/autoscaling
	@$(TOOLS)/crd-ref-docs --log-level=ERROR --source-path=api/v1alpha1 --config=docs/reference/.config.yaml \
		--renderer=markdown --output-path=docs/reference/api.md

.PHONY: fmt
fmt: $(TOOLS)/golangci-lint ## Format the code
	@for m in $(MODULES); do (cd $$m && $(CURDIR)/$(TOOLS)/golangci-lint fmt -c $(CURDIR)/.golangci.yml); done

##@ Check

.PHONY: test
test: ## All tests: unit, integration, end to end (in both runtimes where the machine allows), and that the fault matrix holds
	@rm -f $(REPORTS)/*.json
	@$(MAKE) test-unit
	@$(MAKE) test-simulation
	@$(MAKE) test-zookeeper
	@$(MAKE) fuzz FUZZTIME=2000x
	@$(MAKE) test-integration
	@$(MAKE) test-differential
	@$(MAKE) test-e2e
	@$(MAKE) faults

.PHONY: test-unit
test-unit: $(TOOLS)/gotestsum | $(REPORTS) ## Tests that need nothing but Go
	$(call gotest,unit) ./...
	cd api && $(call gotest,api) ./...
	cd test && $(call gotest,tools) ./cluster/... ./measure/... ./cmd/... ./suite/conformance/...
	cd test && $(call gotest,files) -count=1 ./suite/docs/... ./suite/schema/... # they read files that Go's test cache does not know

.PHONY: test-simulation
test-simulation: $(TOOLS)/gotestsum | $(REPORTS) ## The whole system in virtual time: 2,000 schedules, and the planted faults
	cd test && $(call gotest,simulation) -count=1 -timeout 60m -parallel 2 ./suite/simulation/... -seeds=2000 -plant

SEEDS ?= 2000
.PHONY: simulate
simulate: ## Run SEEDS schedules of the whole system in virtual time, or one again and show it: SEED=k; VERBOSE=1 shows those that fail
	@cd test && go test -c -o ../bin/simulation.test ./suite/simulation
	@cd test/suite/simulation && GODEBUG=asyncpreemptoff=1 $(if $(SEED),GOMAXPROCS=1) ../../../bin/simulation.test -test.timeout=0 \
		-test.run='^TestSeeds$$' $(if $(SEED),-seed=$(SEED),-seeds=$(SEEDS)) $(if $(VERBOSE),-verbose)

.PHONY: simulate-faults
simulate-faults: ## Plant each fault of test/suite/simulation/faults.go, and tell how many schedules it takes to catch it
	@cd test && go test -count=1 -timeout 60m -parallel 2 -v -run='^TestPlantedFaultsAreCaught$$' ./suite/simulation -plant | grep -v '^ *\(=== \|--- PASS\)'

.PHONY: test-zookeeper
test-zookeeper: $(TOOLS)/gotestsum | $(REPORTS) ## The leader found by a real ZooKeeper, of Debian's packages (skipped where there are none)
	cd test && $(call gotest,zookeeper) -count=1 -timeout 10m ./suite/zookeeper/...

FUZZTIME ?= 10s
.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME (10s, or as many inputs: 2000x); what it finds lies in testdata/fuzz, and is a test from then on
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' api controllers mesos | sort | while IFS=: read -r file target; do \
		echo "$${target#func } for $(FUZZTIME) in $${file%/*}"; \
		go test "./$${file%/*}" -run='^$$' -fuzz="^$${target#func }\$$" -fuzztime=$(FUZZTIME) >"$$log" 2>&1 || { cat "$$log"; exit 1; }; \
	done

.PHONY: test-integration
test-integration: kube $(TOOLS)/gotestsum | $(REPORTS) ## The controllers against a real API server and a Mesos cluster in a box
	cd test && KUBEBUILDER_ASSETS=$(CURDIR)/bin/kube $(call gotest,integration) -count=1 -timeout 20m ./suite/integration/... \
		-ginkgo.json-report=$(CURDIR)/$(REPORTS)/specs.json

.PHONY: test-differential
test-differential: kube $(TOOLS)/gotestsum | $(REPORTS) ## The autoscaler's simulation against a real kube-scheduler: 120 random clusters, 120 that grow, and 1,200 against its filters alone
	cd test && KUBEBUILDER_ASSETS=$(CURDIR)/bin/kube GOGC=300 $(call gotest,differential) -count=1 -timeout 20m ./suite/differential/... -seeds=120

.PHONY: differential
differential: kube ## The same for SEEDS random clusters (ten times as many against the filters alone), or for one again, and show it: SEED=k
	@cd test && go test -c -o ../bin/differential.test ./suite/differential
	@cd test/suite/differential && KUBEBUILDER_ASSETS=$(CURDIR)/bin/kube GOGC=300 ../../../bin/differential.test -test.timeout=0 -test.v \
		$(if $(SEED),-first=$(SEED) -seeds=1,-seeds=$(SEEDS))

.PHONY: test-e2e
test-e2e: build kube | $(REPORTS) ## The demo's story, asserted
	cd test && go test ./suite/e2e/... -timeout 40m -v -ginkgo.v -ginkgo.label-filter='!node' -ginkgo.json-report=$(CURDIR)/$(REPORTS)/e2e.json
	@cd test && go test ./suite/vm/... -count=1 -ginkgo.dry-run -ginkgo.json-report=$(CURDIR)/$(REPORTS)/vm.json >/dev/null

.PHONY: test-node
test-node: build kube | $(REPORTS)/heavy ## What holds a node of real containers: hogs, crashes, bad input, orphans; as root, ten minutes on an idle machine; not part of make test
	cd test && go test ./suite/e2e/... -timeout 40m -v -ginkgo.v -ginkgo.label-filter=node -ginkgo.json-report=$(CURDIR)/$(REPORTS)/heavy/node.json

.PHONY: test-vm
test-vm: build kube | $(REPORTS)/heavy ## The same on version 2 of cgroup: in a virtual machine in software emulation, of Debian's packages; without root; not part of make test
	cd test && go test ./suite/vm -count=1 -timeout 20m -v -ginkgo.v -ginkgo.json-report=$(CURDIR)/$(REPORTS)/heavy/vm.json

.PHONY: faults
faults: REPORTED = $(addprefix ../,$(wildcard $(REPORTS)/*.json $(REPORTS)/heavy/*.json))
faults: ## Check that each row of docs/faults.md and docs/field-cases.md, and each case of docs/autoscaling.md, has tests, and that they passed
	@cd test && go run ./cmd/faults -rows=1-49 ../docs/faults.md $(REPORTED)
	@cd test && go run ./cmd/faults -rows=1-61 ../docs/autoscaling.md $(REPORTED)
	@cd test && go run ./cmd/faults -rows=A1-15,B1-9,B11-20,C1-17,D1-13 ../docs/field-cases.md $(REPORTED)

$(REPORTS) $(REPORTS)/heavy:
	@mkdir -p $@

.PHONY: verify
verify: verify-generate verify-tidy verify-format verify-imports lint ## What a change must meet besides its tests: generated files, formatting, lint, import direction, tidy modules

.PHONY: verify-generate
verify-generate: $(TOOLS)/controller-gen $(TOOLS)/crd-ref-docs
	@before=$$(mktemp -d); trap 'rm -rf "$$before"' EXIT; \
	mkdir "$$before/docs"; cp -R api config "$$before"; cp -R docs/reference "$$before/docs"; \
	$(MAKE) generate; \
	for d in api config docs/reference; do diff -ru "$$before/$$d" $$d || differ=1; done; \
	[ -z "$${differ:-}" ] || { echo "Generated files were out of date; they are written anew: commit them."; exit 1; }

.PHONY: verify-tidy
verify-tidy:
	@for m in $(MODULES) test/tools; do (cd $$m && go mod tidy -diff >/dev/null) || { echo "$$m: go.mod is not tidy: run 'go mod tidy' there."; exit 1; }; done

.PHONY: verify-format
verify-format: $(TOOLS)/golangci-lint
	@for m in $(MODULES); do (cd $$m && $(CURDIR)/$(TOOLS)/golangci-lint fmt --diff -c $(CURDIR)/.golangci.yml) || { echo "$$m: not formatted: run 'make fmt'."; exit 1; }; done

.PHONY: verify-imports
verify-imports: $(TOOLS)/golangci-lint ## Check that each rule for import direction refuses what it forbids, and what the two programs link
	@cd test && go test -count=1 ./suite/imports -linter=$(CURDIR)/$(TOOLS)/golangci-lint

# The linter's rules compare whole paths, so symbolic links on the way are resolved: cd -P.
.PHONY: lint
lint: $(TOOLS)/golangci-lint ## go vet, staticcheck and the rules of the code base, import direction among them
	@for m in $(filter-out test/kube,$(MODULES)); do (cd -P $$m && $(CURDIR)/$(TOOLS)/golangci-lint run -c $(CURDIR)/.golangci.yml ./...); done
	@# The settings of build.sh, so that Kubernetes is compiled once for both.
	@cd -P test/kube && CGO_ENABLED=0 GOFLAGS=-trimpath $(CURDIR)/$(TOOLS)/golangci-lint run -c $(CURDIR)/.golangci.yml ./...

.PHONY: conformance
conformance: ## Ask a Mesos cluster for all that k8sm relies on: MASTER=http://host:port (default: the stand-in); see docs/conformance.md
	@cd test && go run ./cmd/conformance -masters="$(MASTER)" -agents="$(AGENTS)" -credentials="$(abspath $(CREDENTIALS))" -ca="$(abspath $(CA))" \
		-role="$(ROLE)" -user="$(RUN_AS)" -checks="$(CHECKS)" $(if $(filter 1,$(DISRUPTIVE)),-disruptive) $(CONFORMANCE_FLAGS)

.PHONY: bench
bench: kube build ## The figures, one JSON line each
	@cd test && KUBEBUILDER_ASSETS=$(CURDIR)/bin/kube go run ./measure/benchmark

##@ Ship

.PHONY: image
image: ## Build the container images of operator and executor (needs docker)
	docker build --target operator --build-arg VERSION=$(VERSION) -t $(IMAGE) .
	docker build --target executor --build-arg VERSION=$(VERSION) -t $(EXECUTOR_IMAGE) .

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin

$(TOOLS)/%: test/tools/go.mod
	@echo "Building $* (once) ..."
	@mkdir -p $(TOOLS)
	@cd test/tools && go build -o $(CURDIR)/$(TOOLS)/ $$(go list -f '{{.ImportPath}}' tool | grep -E "/$*$$")
	@touch $@

.PHONY: help
help:
	@awk 'BEGIN {FS = ":.*##"} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z0-9_-]+:.*##/ {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
