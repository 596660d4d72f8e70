package atlas

import "github.com/podling/podling/lifecycle/reason"

// heads are the titles of an entry's parts.
type heads struct {
	title, lead, kinds, where, causes, before, after, by, next, fix, example, none, recording, source, aliases, diagrams, list, other string
	kind                                                                                                                              map[reason.Kind]string
}

var headsIn = map[Language]heads{
	English: {
		title: "The atlas of a pod's words",
		lead: "Every phase, condition, container state, reason and Event with which Kubernetes v1.36 says what happens to a pod: what it means, what brings it about, who says it, what is next, what to do, and a manifest that produces it with the event stream that was recorded of it on podling. `podling atlas NAME` shows the same.\n\n" +
			"Made by `podling atlas --markdown docs/atlas` from `lifecycle/reason` and recordings; do not edit it.",
		where: "Seen at", causes: "What brings it about", before: "Recorded right before it", after: "Recorded right after it", by: "Who says it", next: "What is next", fix: "What to do",
		example: "A manifest that produces it", none: "There is no manifest", recording: "What was recorded of it", source: "Source", aliases: "Also called", diagrams: "What follows what", list: "The words", other: "中文",
		kind: map[reason.Kind]string{reason.Phase: "Phases", reason.Condition: "Conditions and their reasons", reason.Waiting: "Why a container waits", reason.Terminated: "How a container ended",
			reason.Pod: "Why a pod ended, or was not taken", reason.Event: "Events", reason.Node: "Conditions of the node"},
	},
	Chinese: {
		title: "Pod 词汇图鉴",
		lead: "Kubernetes v1.36 用来说明 Pod 状况的每一个阶段、状况、容器状态、原因和事件：它的含义、成因、由谁写入、接下来会发生什么、该怎么办，以及一份能产生它的清单和在 podling 上实际录制的事件流。`podling atlas --lang zh NAME` 显示同样的内容。\n\n" +
			"本目录由 `podling atlas --markdown docs/atlas` 根据 `lifecycle/reason` 和录制结果生成，请勿手工修改。",
		where: "出现位置", causes: "成因", before: "录制中紧接在它之前的状态", after: "录制中紧接在它之后的状态", by: "由谁写入", next: "接下来", fix: "怎么办",
		example: "能产生它的清单", none: "没有清单", recording: "实际录制的事件流", source: "出处", aliases: "又名", diagrams: "状态转换", list: "词汇表", other: "English",
		kind: map[reason.Kind]string{reason.Phase: "阶段", reason.Condition: "状况及其原因", reason.Waiting: "容器为何等待", reason.Terminated: "容器如何结束",
			reason.Pod: "Pod 为何结束或未被接纳", reason.Event: "事件", reason.Node: "节点状况"},
	},
}

func (l Language) heads() heads {
	if h, ok := headsIn[l]; ok {
		return h
	}
	return headsIn[English]
}

// kinds in the order in which they are listed.
var kinds = []reason.Kind{reason.Phase, reason.Condition, reason.Waiting, reason.Terminated, reason.Pod, reason.Event, reason.Node}
