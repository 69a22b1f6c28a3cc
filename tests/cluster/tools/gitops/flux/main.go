// Flux does to a cluster what Flux's kustomize-controller does, with the packages that it does it by: one word of
// apply, diff, status, wait and prune, and the manifests on standard input. The answer is JSON.
//
//	flux apply   server-side apply in stages                     {"WeakToStrongJob/legal/indemnity": "created"}
//	flux diff    what an apply would change: its drift detection {"WeakToStrongJob/legal/indemnity": "unchanged"}
//	flux status  kstatus of what is in the cluster               {"WeakToStrongJob/legal/indemnity": "InProgress"}
//	flux wait 9s until all are current; exits with 1 and says why when one has failed, or after that time
//	flux prune   deletes what an apply of it made, and waits until it is gone
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	"github.com/fluxcd/pkg/ssa/utils"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// A Kustomization, by which Flux knows what is its own.
const (
	group     = "kustomize.toolkit.fluxcd.io"
	name      = "jobs"
	namespace = "flux-system"
)

func main() {
	log.SetLogger(logr.Discard())
	found, err := do(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		panic(err)
	}
}

func do(ctx context.Context, what string) (map[string]string, error) {
	objects, err := utils.ReadObjects(os.Stdin)
	if err != nil {
		return nil, err
	}
	if err := normalize.UnstructuredList(objects); err != nil {
		return nil, err
	}
	cluster, manager, err := connect()
	if err != nil {
		return nil, err
	}
	manager.SetOwnerLabels(objects, name, namespace)
	found := map[string]string{}
	switch what {
	case "apply":
		changes, err := manager.ApplyAllStaged(ctx, objects, applyOptions())
		if err != nil {
			return nil, err
		}
		return actions(changes), nil
	case "diff":
		for _, object := range objects {
			entry, live, merged, err := manager.Diff(ctx, object, ssa.DefaultDiffOptions())
			if err != nil {
				return nil, err
			}
			found[entry.Subject] = entry.Action.String()
			if entry.Action == ssa.ConfiguredAction {
				fmt.Fprintf(os.Stderr, "live:\n%s\nmerged:\n%s\n", utils.ObjectToYAML(live), utils.ObjectToYAML(merged))
			}
		}
		return found, nil
	case "status":
		for _, object := range objects {
			live := &unstructured.Unstructured{}
			live.SetGroupVersionKind(object.GroupVersionKind())
			if err := cluster.Get(ctx, client.ObjectKeyFromObject(object), live); err != nil {
				return nil, err
			}
			result, err := status.Compute(live)
			if err != nil {
				return nil, err
			}
			found[utils.FmtUnstructured(object)] = result.Status.String()
		}
		return found, nil
	case "wait":
		timeout, err := time.ParseDuration(os.Args[2])
		if err != nil {
			return nil, err
		}
		return found, manager.Wait(objects, waitOptions(timeout))
	case "prune":
		changes, err := manager.DeleteAll(ctx, objects, ssa.DeleteOptions{
			PropagationPolicy: metav1.DeletePropagationBackground,
			Inclusions:        manager.GetOwnerLabels(name, namespace),
			Exclusions:        map[string]string{group + "/prune": "disabled"},
		})
		if err != nil {
			return nil, err
		}
		return actions(changes), manager.WaitForSetTermination(changes, waitOptions(time.Minute))
	}
	return nil, fmt.Errorf("%q is none of apply, diff, status, wait and prune", what)
}

func connect() (client.Client, *ssa.ResourceManager, error) {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return nil, nil, err
	}
	config.QPS = -1
	if err := apiextensions.AddToScheme(scheme.Scheme); err != nil {
		return nil, nil, err
	}
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, nil, err
	}
	cluster, err := client.New(config, client.Options{Scheme: scheme.Scheme, Mapper: mapper, HTTPClient: http})
	if err != nil {
		return nil, nil, err
	}
	poller := polling.NewStatusPoller(cluster, mapper, polling.Options{})
	return cluster, ssa.NewResourceManager(cluster, poller, ssa.Owner{Field: "kustomize-controller", Group: group}), nil
}

// What kustomize-controller takes over from people who used kubectl before.
func applyOptions() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
	return options
}

func waitOptions(timeout time.Duration) ssa.WaitOptions {
	return ssa.WaitOptions{Interval: 100 * time.Millisecond, Timeout: timeout, FailFast: true}
}

func actions(changes *ssa.ChangeSet) map[string]string {
	found := map[string]string{}
	for _, entry := range changes.Entries {
		found[entry.Subject] = entry.Action.String()
	}
	return found
}
