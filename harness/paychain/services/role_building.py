"""Builds a link's role with all it works with: calls with their policies, follow-ups, webhooks."""

from __future__ import annotations

from paychain.model.chain import Chain
from paychain.model.policy import Call, Reversal
from paychain.protocol.dialect import Signs
from paychain.services.context import Context
from paychain.services.policies.policy import PolicyCall
from paychain.services.policies.reversal import Reversals
from paychain.services.policies.route import Channels
from paychain.services.roles.registry import BEHAVIOURS
from paychain.services.roles.role import Role
from paychain.services.scripts import PaymentScripts
from paychain.services.state.background import Background
from paychain.services.state.followup import FollowUpSender
from paychain.services.state.webhooks import Kinds, WebhookSender, webhook_secret, wrong_secret
from paychain.services.vendor_declared import webhooks_of


def build_role(
    chain: Chain,
    context: Context,
    channels: Channels,
    background: Background,
    signing: tuple[Signs, Kinds],
    scripts: PaymentScripts,
) -> Role:
    """The role of the context's link, with empty books and closed breakers.

    `signing`: what signs the link's webhooks, and what it calls each. `scripts` may drop them.
    """
    name = context.link
    link, declared = chain.links[name], chain.calls_of(name)
    reversals = Reversals(context, background)

    def policy_call(operation: str, call: Call) -> PolicyCall:
        return PolicyCall(
            context,
            operation,
            call,
            currency=chain.currency,
            channels=channels,
            reversals=reversals,
            background=background,
            own_codes=chain.codes,
            rejects_unknown=chain.rejects_unknown,
        )

    authorise = link.calls.get("authorise")
    reversal = authorise.reversal if authorise is not None else Reversal()
    webhooks = None
    sent = webhooks_of(link)
    dialect, kinds = signing
    if sent is not None:
        webhooks = WebhookSender(
            context,
            channels,
            background,
            sent,
            secrets=(webhook_secret(chain, name, context.seed), wrong_secret(link)),
            dialect=dialect,
            scripts=scripts,
        )
    return BEHAVIOURS[link.role](
        chain=chain,
        name=name,
        link=link,
        context=context,
        calls={operation: policy_call(operation, call) for operation, call in declared.items()},
        tenders={
            target: policy_call(operation, call.of_tender(target))
            for operation, call in declared.items()
            for target, _ in call.shared_tenders
        },
        follow_ups=FollowUpSender(context, channels, background, reversal),
        background=background,
        webhooks=webhooks,
        kinds=kinds,
    )
