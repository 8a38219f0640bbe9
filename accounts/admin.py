"""People and organisations in the admin; every change is audited."""

from typing import Any, ClassVar

from allauth.account.admin import EmailAddress
from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.actor import Refused, actor, current_user
from accounts.audit.admin import (
    AuditedAdmin,
    AuditEventAdmin,
    ReadOnlyAdmin,
    audit_link,
    see_audit_log,
)
from accounts.emails import outbox
from accounts.flows import own_account, sign_in_rules
from accounts.flows.invitations import invite_owner
from accounts.flows.members import has_owner
from accounts.models import Customer, Email, Invitation, Membership, User
from accounts.permissions import INVITE_OWNERS, NotAllowed

__all__ = ["AuditEventAdmin"]

# What people sign in with is theirs alone: a superuser could otherwise read it, or plant it. The
# identity provider comes from the settings.
admin.site.unregister([Authenticator, EmailAddress, Group])
admin.site.unregister([SocialAccount, SocialApp, SocialToken])


class ReadOnlyInline(admin.TabularInline):
    """Read only: members come by invitation, and owners decide about them."""

    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Customer | None = None) -> bool:
        return False


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = readonly_fields = ("user", "role", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        return super().get_queryset(request).select_related("user", "customer")


class InvitationInline(ReadOnlyInline):
    model = Invitation
    fields = readonly_fields = ("email", "role", "invited_by", "sent_at", "expires_at")
    verbose_name_plural = "pending invitations"

    def get_queryset(self, request: HttpRequest) -> Any:
        return Invitation.objects.pending()


class CustomerForm(forms.ModelForm):
    single_sign_on = forms.ChoiceField(
        required=False,
        choices=[("", "Members must use single sign-on"), ("lift", "Lift this rule")],
        help_text="Lift it where no owner can sign in any more. Its owners can set it again.",
    )
    invite_owner = forms.EmailField(
        required=False,
        max_length=254,
        label="Invite the first owner",
        help_text="The email address of a person at the customer, who then invites the others.",
    )


@admin.register(Customer)
class CustomerAdmin(AuditedAdmin):
    form = CustomerForm
    list_display = ["name", "slug", "created_at"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline, InvitationInline]

    def get_readonly_fields(self, request: HttpRequest, obj: Customer | None = None) -> list[str]:
        # The slug is the user's name in AWS: it stays once the customer exists.
        return ["slug", *see_audit_log(request)] if obj else []

    @admin.display(description="audit log")
    def audit_log(self, customer: Customer) -> str:
        return audit_link("customer__id__exact", customer.pk)

    def get_fields(self, request: HttpRequest, obj: Customer | None = None) -> Any:
        may_invite = request.user.has_perm(INVITE_OWNERS) and not (obj and has_owner(obj))
        log = see_audit_log(request) if obj else []
        # Where its only owner cannot sign in any more, the vendor lifts the rule.
        may_lift = request.user.has_perm(INVITE_OWNERS)
        rule = ["single_sign_on"] if may_lift and obj and obj.requires_single_sign_on else []
        return ["name", "slug", *rule, *(["invite_owner"] if may_invite else []), *log]

    def save_model(
        self,
        request: HttpRequest,
        obj: Customer,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data.get("single_sign_on") == "lift":
            sign_in_rules.lift(obj, by=actor(request))
        email = form.cleaned_data.get("invite_owner")
        if not email:
            return
        try:
            invite_owner(obj, email, by=actor(request))
        except (NotAllowed, Refused) as error:
            messages.error(request, str(error))
        else:
            messages.success(request, f"{email} is invited to own {obj}.")


class LockedFilter(admin.SimpleListFilter):
    """People who reported misuse, and cannot reveal credentials yet."""

    title = "locked"
    parameter_name = "locked"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        locked = Membership.objects.locked().values("user")
        return queryset.filter(pk__in=locked) if self.value() else queryset


class UserForm(forms.ModelForm):
    class Meta:
        help_texts: ClassVar = {
            "is_active": "Deactivated, the person is signed out everywhere and their password, "
            "links and codes end, for good. Activated again, they sign in with a code by email and "
            "set a new password."
        }

    def clean_email(self) -> str:
        email: str = self.cleaned_data["email"].lower()
        if EmailAddress.objects.filter(email__iexact=email, verified=True).exists():
            raise forms.ValidationError(
                "A person signs in with this address already, as one of several. Search for it "
                "under Email addresses."
            )
        return email


@admin.register(User)
class UserAdmin(AuditedAdmin):
    form = UserForm
    list_display = ["email", "name", "is_staff", "is_active", "last_login"]
    search_fields = ["email", "name"]
    list_filter = ["is_staff", "is_active", LockedFilter]
    fields = ["email", "name", "is_active", "is_staff", "groups", "date_joined", "last_login"]
    fields += ["locked_at"]
    filter_horizontal = ["groups"]
    actions = ["allow_reveals", "report_misuse"]

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> list[str]:
        # People change their own address, and verify the new one.
        return [*(["email"] if obj else []), "date_joined", "last_login", "locked_at"]

    @admin.display(description="locked at")
    def locked_at(self, user: User) -> str:
        locked = user.memberships.locked().order_by("customer__name")
        return ", ".join(locked.values_list("customer__name", flat=True)) or "-"

    @admin.action(description="Report that someone else used it", permissions=["change"])
    def report_misuse(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        if current_user(request) in queryset:
            words = "Report the misuse of your own account at Sign-in and security."
            messages.error(request, words)
            return
        for user in queryset:
            own_account.report_misuse_as_staff(user, by=actor(request))
            messages.success(
                request,
                f"{user} is signed out everywhere and locked. The account has the address of a "
                "week ago, and none that was added since.",
            )

    @admin.action(description="Allow reveals again", permissions=["change"])
    def allow_reveals(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset:
            try:
                own_account.allow_reveals_as_staff(user, by=actor(request))
            except (NotAllowed, Refused) as error:
                messages.error(request, str(error))
            else:
                messages.success(request, f"{user} can reveal credentials again.")

    def save_model(
        self,
        request: HttpRequest,
        obj: User,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        if change:
            super().save_model(request, obj, form, change)
            return
        obj.set_unusable_password()
        super().save_model(request, obj, form, change)
        # The sign-in code is sent to this address, and so verifies it.
        EmailAddress.objects.create(user=obj, email=obj.email, primary=True)
        outbox.welcome(obj)


@admin.register(Authenticator)
class AuthenticatorAdmin(admin.ModelAdmin):
    """To remove a second factor that its owner has lost; never to see, add or change one."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__email"]
    fields = readonly_fields = ("user", "type", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One's own is removed on the page of one's account, which asks for it first."""
        is_own = obj is not None and obj.user_id == request.user.pk
        return not is_own and super().has_delete_permission(request, obj)

    def delete_model(self, request: HttpRequest, obj: Authenticator) -> None:
        own_account.remove_factor(obj, by=actor(request))

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        for authenticator in queryset:
            self.delete_model(request, authenticator)


@admin.register(Group)
class AuditedGroupAdmin(AuditedAdmin, GroupAdmin):
    """Groups as Django has them."""


@admin.register(EmailAddress)
class EmailAddressAdmin(AuditedAdmin):
    """To see and to delete. With an address of one's own at someone's account one could sign in
    as them."""

    list_display = ["email", "user", "primary", "verified"]
    list_filter = ["primary", "verified"]
    search_fields = ["email", "user__email"]
    fields = ["user", "email", "primary", "verified"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The primary one would still open the account, although it is not listed any more."""
        *found, protected = super().get_deleted_objects(objs, request)
        primary = [row for row in objs if row.email == row.user.email]
        kept = [f"the account of {row.user}, which it would still open" for row in primary]
        return *found, [*protected, *kept]


@admin.register(Email)
class EmailAdmin(ReadOnlyAdmin):
    """To see what was sent, and what waits and why."""

    list_display = ["created_at", "kind", "to", "state", "tries", "last_error"]
    list_filter = ["kind", ("sent_at", admin.EmptyFieldListFilter), "created_at"]
    search_fields = ["to", "customer__name"]
    fields = ["kind", "to", "customer", "state", "created_at", "due_at", "sent_at", "tries"]
    fields += ["last_error"]
