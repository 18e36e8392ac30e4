"""Routes."""

from django.urls import path

from lumi.accounts.api import me, views

urlpatterns = [
    path("auth/send-code", views.SendCodeView.as_view(), name="send-code"),
    path("auth/register", views.RegisterView.as_view(), name="register"),
    path("auth/login", views.LoginView.as_view(), name="login"),
    path("auth/refresh", views.RefreshView.as_view(), name="refresh"),
    path("auth/logout", views.LogoutView.as_view(), name="logout"),
    path("auth/sessions", views.SessionsView.as_view(), name="sessions"),
    path("auth/sessions/<str:session_id>", views.SessionView.as_view(), name="session"),
    path("auth/tokens", views.TokensView.as_view(), name="api-tokens"),
    path("auth/tokens/<str:token_id>", views.TokenView.as_view(), name="api-token"),
    path("auth/me", me.MeView.as_view(), name="me"),
    path("auth/me/avatar", me.AvatarView.as_view(), name="avatar"),
    path("auth/me/email", me.EmailView.as_view(), name="new-email"),
    path("auth/me/email/confirm", me.ConfirmEmailView.as_view(), name="confirm-email"),
    path("auth/me/export", me.ExportView.as_view(), name="export"),
    path("auth/me/delete-code", me.DeleteCodeView.as_view(), name="delete-code"),
    path("me/notices", me.NoticesView.as_view(), name="notices"),
    path("me/notices/read", me.ReadNoticesView.as_view(), name="read-notices"),
]
